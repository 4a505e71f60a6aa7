using System;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// The way to the server: a socket, or plain requests for as long as none can be opened. What the server
    /// says goes into the snapshots, and only by the way that is current: what comes late by another, or
    /// fails there, changes nothing.
    /// </summary>
    internal sealed class Transport : IDisposable
    {
        private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

        // Held for as long as it takes to compare and set; what waits or calls back is called after it.
        private readonly object _lock = new object();
        private readonly RestApi _rest;
        private readonly SocketLoop _sockets;
        private readonly Snapshots _snapshots;
        private readonly Background _background;
        private readonly Events _events;

        private struct Way
        {
            public Connection Connection;

            /// <summary>Null if it is none.</summary>
            public SocketIo Socket;
        }

        private Connection _connection = Connection.None;
        private SocketIo _socket;
        private PollLoop _polling;

        /// <param name="server">Where it is.</param>
        /// <param name="participant">Whom the app takes part as; null is whom the token names.</param>
        /// <param name="token">What lets the app in, or null.</param>
        /// <param name="snapshots">Take in what the server says.</param>
        /// <param name="background">Runs what goes on by itself.</param>
        /// <param name="events">Where changes of the connection are put in order.</param>
        public Transport(
            Uri server, int? participant, string token, Snapshots snapshots, Background background, Events events)
        {
            _rest = new RestApi(server, participant, token, snapshots);
            _sockets = new SocketLoop(server, Auth(participant, token), this, background, events);
            _snapshots = snapshots;
            _background = background;
            _events = events;
        }

        /// <summary>The server is reached in another way. Raised in order with the app's events.</summary>
        public event Action<Connection> Changed;

        /// <summary>The server has said where the participant is. Raised at once.</summary>
        public event Action Reached;

        /// <summary>The server does not let the app in. Raised at once.</summary>
        public event Action<StudyException> Refused;

        /// <summary>How the server is reached now.</summary>
        public Connection Connection
        {
            get { lock (_lock) { return _connection; } }
        }

        public void Start()
        {
            lock (_lock)
            {
                Poll();
            }
            _background.Run(_sockets.RunAsync);
        }

        /// <summary>Have another socket, at once.</summary>
        public void Reconnect()
        {
            _sockets.Again();
        }

        /// <summary>To be called once everything is to end.</summary>
        public void Dispose()
        {
            _sockets.Again();
            _rest.Dispose();
        }

        /// <summary>
        /// Send a move once; returns where the participant is then. Raises StudyException if the server
        /// refuses it; after any other exception nobody knows whether it was made.
        /// </summary>
        public async Task<Snapshot> MoveAsync(Move move)
        {
            var way = Current();
            switch (way.Connection)
            {
                case Connection.Socket:
                    var snapshot = _snapshots.Read(
                        await AskAsync(way.Socket, move.Action, move.Parameters()).ConfigureAwait(false));
                    Take(snapshot, () => _socket == way.Socket);
                    return snapshot;
                case Connection.Rest:
                    return await MoveByRestAsync(move).ConfigureAwait(false);
                default:
                    throw OutOfReach();
            }
        }

        /// <summary>Send records once; returns the server's answer. Raises as MoveAsync.</summary>
        public async Task<JToken> RecordAsync(JObject body)
        {
            var way = Current();
            switch (way.Connection)
            {
                case Connection.Socket:
                    return await AskAsync(way.Socket, "record", body).ConfigureAwait(false);
                case Connection.Rest:
                    return await _rest.RecordAsync(body, _background.Closing).ConfigureAwait(false);
                default:
                    throw OutOfReach();
            }
        }

        /// <summary>Send a file once. Raises as MoveAsync.</summary>
        public Task PutFileAsync(int participant, string name, byte[] content)
        {
            return Connection == Connection.None
                ? throw OutOfReach()
                : _rest.PutFileAsync(participant, name, content, _background.Closing);
        }

        /// <summary>A socket has said where the participant is: from now on it is the way.</summary>
        public void SocketSaid(SocketIo socket, JToken state)
        {
            var snapshot = _snapshots.Read(state);
            PollLoop polling;
            lock (_lock)
            {
                _snapshots.Take(snapshot);
                _socket = socket;
                Become(Connection.Socket);
                polling = _polling;
                _polling = null;
            }
            if (polling != null)
            {
                polling.Stop();
            }
            TellReached();
        }

        /// <summary>The socket has ended, if there was one.</summary>
        public void SocketEnded()
        {
            lock (_lock)
            {
                _socket = null;
                if (_connection == Connection.Socket)
                {
                    Become(Connection.None);
                    Poll();
                }
            }
            _events.Raise();
        }

        /// <summary>A poll was answered; null is nothing new.</summary>
        public void PollSaid(PollLoop polling, Snapshot changed)
        {
            lock (_lock)
            {
                if (_polling != polling)
                {
                    // A socket was faster.
                    return;
                }
                if (changed != null)
                {
                    _snapshots.Take(changed);
                }
                Become(Connection.Rest);
            }
            TellReached();
        }

        /// <summary>Plain requests fail, which says nothing about a socket.</summary>
        public void RequestsFail()
        {
            lock (_lock)
            {
                if (_connection == Connection.Rest)
                {
                    Become(Connection.None);
                }
            }
            _events.Raise();
        }

        /// <summary>The server does not let the app in.</summary>
        public void TellRefused(StudyException refusal)
        {
            Refused?.Invoke(refusal);
        }

        private static async Task<JToken> AskAsync(SocketIo socket, string name, JObject parameters)
        {
            var answer = await socket.CallAsync(name, parameters, AnswerWithin).ConfigureAwait(false);
            var ok = Json.Member(answer, "ok");
            if (ok == null || ok.Type != JTokenType.Boolean || !(bool)ok)
            {
                throw StudyException.Of(Json.Member(answer, "error"), "message");
            }
            return Json.Member(answer, "data");
        }

        private async Task<Snapshot> MoveByRestAsync(Move move)
        {
            try
            {
                var snapshot = await _rest.MoveAsync(move, _background.Closing).ConfigureAwait(false);
                Take(snapshot, () => _connection == Connection.Rest);
                return snapshot;
            }
            catch (Exception error) when (!(error is StudyException))
            {
                RequestsFail();
                throw;
            }
        }

        private Way Current()
        {
            lock (_lock)
            {
                return new Way { Connection = _connection, Socket = _socket };
            }
        }

        private static TimeoutException OutOfReach()
        {
            return new TimeoutException("the server is out of reach");
        }

        private void Take(Snapshot snapshot, Func<bool> isCurrent)
        {
            lock (_lock)
            {
                if (!isCurrent())
                {
                    return;
                }
                _snapshots.Take(snapshot);
            }
            _events.Raise();
        }

        /// <summary>To be called under the lock: ask by plain requests, unless a socket is faster.</summary>
        private void Poll()
        {
            if (!_background.Closing.IsCancellationRequested)
            {
                _polling = new PollLoop(_rest, this, _events, _background.Closing);
                _background.Run(_polling.RunAsync);
            }
        }

        /// <summary>To be called under the lock; Events.Raise has to follow.</summary>
        private void Become(Connection connection)
        {
            if (connection == Connection.None)
            {
                _snapshots.BelieveNext();
            }
            if (_connection != connection)
            {
                _connection = connection;
                _events.Add(() => Changed?.Invoke(connection));
            }
        }

        private void TellReached()
        {
            // First: who is told of a block may record in it.
            Reached?.Invoke();
            _events.Raise();
        }

        private static JObject Auth(int? participant, string token)
        {
            var auth = new JObject();
            if (participant.HasValue)
            {
                auth["participant"] = participant.Value;
            }
            if (token != null)
            {
                auth["token"] = token;
            }
            return auth;
        }
    }
}
