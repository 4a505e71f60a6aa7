using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// A participant's place in a study, kept right over whatever way there is. What it does is what
    /// every client does, and is written down in clients/README.md.
    /// </summary>
    public sealed class Study : IDisposable
    {
        /// <summary>Moves that wait for a connection. People press a button again and again.</summary>
        public const int MovesWaiting = 16;

        private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(1);
        private static readonly TimeSpan SocketWithin = TimeSpan.FromSeconds(3);
        private static readonly TimeSpan ReconnectAtFirst = TimeSpan.FromMilliseconds(250);
        private static readonly TimeSpan ReconnectAtLast = TimeSpan.FromSeconds(3);

        private static readonly HashSet<string> Refusals = new HashSet<string>
        {
            "token-invalid", "token-missing", "not-allowed", "participant-unknown"
        };

        // What could not be made durable, or came too fast, may work later.
        private static readonly HashSet<string> Later = new HashSet<string>
        {
            "store-unavailable", "limit-reached", "internal-error"
        };

        // Held for as long as it takes to read and write fields: what is cancelled, ended or raised goes on
        // at once, on the same thread, and does as it likes.
        private readonly object _lock = new object();
        private readonly Uri _server;
        private readonly JObject _auth;
        private readonly RestApi _rest;
        private readonly Events _events;
        private readonly Queue<Move> _waiting = new Queue<Move>();
        private readonly List<Task> _working = new List<Task>();
        private readonly CancellationTokenSource _closed = new CancellationTokenSource();
        private readonly TaskCompletionSource<Snapshot> _ready =
            new TaskCompletionSource<Snapshot>(TaskCreationOptions.RunContinuationsAsynchronously);

        private Snapshot _snapshot;
        private Connection _connection = Connection.None;
        private SocketIo _socket;
        private bool _comparable;
        private bool _sending;
        private bool _isClosed;
        private CancellationTokenSource _polling = new CancellationTokenSource();
        private TaskCompletionSource<bool> _awake = NotAwake();

        private Study(Options options)
        {
            if (!Uri.TryCreate(options.Url, UriKind.Absolute, out _server) || !_server.Scheme.StartsWith("http"))
            {
                throw new ArgumentException("the server's address has to be like http://192.168.1.5:5000, and not \"" + options.Url + "\"");
            }
            _auth = new JObject();
            if (options.Participant.HasValue)
            {
                _auth["participant"] = options.Participant.Value;
            }
            var token = string.IsNullOrEmpty(options.Token) ? null : options.Token;
            if (token != null)
            {
                _auth["token"] = token;
            }
            _rest = new RestApi(_server, options.Participant, token);
            _events = new Events(options.Dispatch, options.Problem);
        }

        /// <summary>The participant is in another block, or in one for the first time.</summary>
        public event Action<Snapshot> BlockChanged;

        /// <summary>The same block has another config.</summary>
        public event Action<Snapshot> ConfigChanged;

        /// <summary>The participant is past the last block.</summary>
        public event Action<Snapshot> Ended;

        /// <summary>The server is reached in another way, or is out of reach.</summary>
        public event Action<Connection> ConnectionChanged;

        /// <summary>Where the participant is.</summary>
        public Snapshot Snapshot
        {
            get { lock (_lock) { return _snapshot; } }
        }

        /// <summary>How the server is reached.</summary>
        public Connection Connection
        {
            get { lock (_lock) { return _connection; } }
        }

        /// <summary>
        /// Take part. Ends when the participant's state is known; a server that does not answer is
        /// waited for. Raises StudyException when the server refuses (`token-invalid`,
        /// `token-missing`, `not-allowed`, `participant-unknown`), ArgumentException for an address
        /// that is none, OperationCanceledException when `stop` is.
        /// </summary>
        /// <param name="options">Whom to take part as, and where.</param>
        /// <param name="listen">Called before anything can happen: the place to add listeners.</param>
        /// <param name="stop">Gives up.</param>
        public static async Task<Study> ConnectAsync(
            Options options, Action<Study> listen = null, CancellationToken stop = default(CancellationToken))
        {
            var study = new Study(options);
            if (listen != null)
            {
                listen(study);
            }
            study.PollAfter(SocketWithin);
            study.Background(study.KeepSocketAsync());
            try
            {
                using (stop.Register(() => study._ready.TrySetCanceled()))
                {
                    await study._ready.Task.ConfigureAwait(false);
                }
            }
            catch
            {
                await study.CloseAsync().ConfigureAwait(false);
                throw;
            }
            return study;
        }

        /// <summary>
        /// One block on from where the app sees the participant; the answer is where they are then. Fails
        /// with `participant-elsewhere` if somebody has moved them meanwhile: the app hears of that, and
        /// nothing is skipped.
        /// </summary>
        public Task<Snapshot> NextAsync()
        {
            return AskAsync(Move.Next);
        }

        /// <summary>One block back, as NextAsync.</summary>
        public Task<Snapshot> PreviousAsync()
        {
            return AskAsync(Move.Previous);
        }

        /// <summary>To a block by its place in the participant's order, from 0.</summary>
        public Task<Snapshot> GoToAsync(int blockId)
        {
            return AskAsync(_ => Move.To(blockId));
        }

        /// <summary>
        /// Connect anew at once. A headset that was asleep does not notice for most of a minute that
        /// its connection is gone.
        /// </summary>
        public void Reconnect()
        {
            SocketIo socket;
            lock (_lock)
            {
                socket = _socket;
                _awake.TrySetResult(true);
            }
            // Not under the lock: what waits for it goes on at once, on this thread.
            if (socket != null)
            {
                socket.End();
            }
        }

        /// <summary>Stop taking part. Moves that still wait fail with the code `closed`.</summary>
        public void Dispose()
        {
            SocketIo socket;
            lock (_lock)
            {
                if (_isClosed)
                {
                    return;
                }
                _isClosed = true;
                socket = _socket;
            }
            _closed.Cancel();
            if (socket != null)
            {
                socket.End();
            }
            Reject(new StudyException("closed", "the app has stopped taking part"));
            _rest.Dispose();
        }

        /// <summary>
        /// Dispose, and wait until nothing of it runs any more. A program should do so before it ends: not
        /// every runtime ends well while sockets are being closed.
        /// </summary>
        public Task CloseAsync()
        {
            Dispose();
            lock (_lock)
            {
                return Task.WhenAll(_working);
            }
        }

        private Task<Snapshot> AskAsync(Func<int, Move> make)
        {
            Move move;
            lock (_lock)
            {
                if (_isClosed)
                {
                    return Failed("closed", "the app has stopped taking part");
                }
                if (_snapshot == null)
                {
                    return Failed("not-ready", "the server has not said yet where the participant is");
                }
                if (_waiting.Count >= MovesWaiting)
                {
                    return Failed("queue-full", MovesWaiting + " moves wait for a connection already");
                }
                // Where the participant is once the moves that wait are made.
                var from = _snapshot.BlockId;
                foreach (var waiting in _waiting)
                {
                    from = waiting.Leads(from, _snapshot.BlocksCount);
                }
                move = make(from);
                _waiting.Enqueue(move);
            }
            Background(SendAsync());
            return move.Answer.Task;
        }

        private static Task<Snapshot> Failed(string code, string message)
        {
            var answer = new TaskCompletionSource<Snapshot>();
            answer.SetException(new StudyException(code, message));
            return answer.Task;
        }

        /// <summary>Send what waits, in order, for as long as there is a way.</summary>
        private async Task SendAsync()
        {
            lock (_lock)
            {
                if (_sending)
                {
                    return;
                }
                _sending = true;
            }
            while (true)
            {
                Move first;
                lock (_lock)
                {
                    if (_waiting.Count == 0 || _connection == Connection.None)
                    {
                        _sending = false;
                        return;
                    }
                    first = _waiting.Peek();
                }
                StudyException refusal = null;
                Snapshot snapshot = null;
                try
                {
                    snapshot = await TryAsync(first).ConfigureAwait(false);
                }
                catch (StudyException error)
                {
                    if (Later.Contains(error.Code))
                    {
                        await Task.Delay(PollEvery).ConfigureAwait(false);
                        continue;
                    }
                    refusal = error;
                }
                catch (Exception error)
                {
                    _events.Report(error);
                    // Nobody knows whether it was made: it is sent again, by its name.
                    if (Connection == Connection.Rest)
                    {
                        Lost();
                    }
                    await Task.Delay(ReconnectAtFirst).ConfigureAwait(false);
                    continue;
                }
                lock (_lock)
                {
                    if (_waiting.Count > 0 && _waiting.Peek() == first)
                    {
                        _waiting.Dequeue();
                    }
                }
                if (refusal != null)
                {
                    first.Answer.TrySetException(refusal);
                }
                else
                {
                    Take(snapshot);
                    first.Answer.TrySetResult(snapshot);
                }
            }
        }

        private async Task<Snapshot> TryAsync(Move move)
        {
            SocketIo socket;
            lock (_lock)
            {
                socket = _connection == Connection.Socket ? _socket : null;
            }
            if (socket == null)
            {
                return await _rest.MoveAsync(move, _closed.Token).ConfigureAwait(false);
            }
            var answer = await socket.CallAsync(move.Action, move.Parameters(), AnswerWithin).ConfigureAwait(false);
            var ok = Json.Member(answer, "ok");
            if (ok != null && ok.Type == JTokenType.Boolean && (bool)ok)
            {
                return Snapshot.From(answer["data"]);
            }
            var error = Json.Member(answer, "error");
            throw new StudyException(
                Json.Text(error, "code") ?? "internal-error", Json.Text(error, "message") ?? "the server gave no reason");
        }

        /// <summary>Have a socket, and another one whenever it is lost.</summary>
        private async Task KeepSocketAsync()
        {
            var pause = ReconnectAtFirst;
            while (!_closed.IsCancellationRequested)
            {
                var reached = false;
                using (var socket = new SocketIo(_server, _auth, (name, value) => reached |= Heard(name, value)))
                {
                    lock (_lock)
                    {
                        if (_isClosed)
                        {
                            return;
                        }
                        _socket = socket;
                    }
                    try
                    {
                        await socket.RunAsync().ConfigureAwait(false);
                    }
                    catch (StudyException error)
                    {
                        if (Refusals.Contains(error.Code))
                        {
                            Refuse(error);
                        }
                    }
                    catch (Exception error)
                    {
                        // A connection that failed: there will be another.
                        _events.Report(error);
                    }
                }
                if (reached)
                {
                    pause = ReconnectAtFirst;
                }
                if (Connection == Connection.Socket)
                {
                    Lost();
                }
                await PauseAsync(pause).ConfigureAwait(false);
                pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, ReconnectAtLast.Ticks));
            }
        }

        /// <summary>Wait before the next attempt; Reconnect ends it.</summary>
        private async Task PauseAsync(TimeSpan pause)
        {
            Task awake;
            lock (_lock)
            {
                awake = _awake.Task;
            }
            await Task.WhenAny(Task.Delay(pause, _closed.Token), awake).ConfigureAwait(false);
            lock (_lock)
            {
                _awake = NotAwake();
            }
        }

        private static TaskCompletionSource<bool> NotAwake()
        {
            return new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        /// <summary>Whether it says where the participant is.</summary>
        private bool Heard(string name, JToken value)
        {
            if (name != "state" && name != "block-changed" && name != "config-changed")
            {
                return false;
            }
            Take(Snapshot.From(value));
            Reached(Connection.Socket);
            return true;
        }

        private void PollAfter(TimeSpan pause)
        {
            var polling = CancellationTokenSource.CreateLinkedTokenSource(_closed.Token);
            CancellationTokenSource before;
            lock (_lock)
            {
                before = _polling;
                _polling = polling;
            }
            before.Cancel();
            Background(PollAsync(pause, polling.Token));
        }

        /// <summary>Ask over and over while there is no socket.</summary>
        private async Task PollAsync(TimeSpan pause, CancellationToken stop)
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await Task.Delay(pause, stop).ConfigureAwait(false);
                    var snapshot = await _rest.StateAsync(stop).ConfigureAwait(false);
                    // A socket was faster.
                    if (stop.IsCancellationRequested)
                    {
                        return;
                    }
                    if (snapshot != null)
                    {
                        Take(snapshot);
                    }
                    Reached(Connection.Rest);
                }
                catch (StudyException error)
                {
                    if (Refusals.Contains(error.Code))
                    {
                        Refuse(error);
                    }
                }
                catch (Exception error)
                {
                    if (!stop.IsCancellationRequested)
                    {
                        _events.Report(error);
                        Become(Connection.None);
                    }
                }
                pause = PollEvery;
            }
        }

        private void Reached(Connection by)
        {
            CancellationTokenSource polling;
            lock (_lock)
            {
                if (by == Connection.Rest && _connection == Connection.Socket)
                {
                    return;
                }
                polling = _polling;
                Note(by);
                _ready.TrySetResult(_snapshot);
            }
            if (by == Connection.Socket)
            {
                polling.Cancel();
            }
            _events.Raise();
            Background(SendAsync());
        }

        private void Lost()
        {
            Become(Connection.None);
            if (!_closed.IsCancellationRequested)
            {
                PollAfter(SocketWithin);
            }
        }

        private void Refuse(StudyException error)
        {
            _ready.TrySetException(error);
            Reject(error);
        }

        private void Reject(StudyException error)
        {
            List<Move> moves;
            lock (_lock)
            {
                moves = new List<Move>(_waiting);
                _waiting.Clear();
            }
            foreach (var move in moves)
            {
                move.Answer.TrySetException(error);
            }
        }

        private void Become(Connection connection)
        {
            lock (_lock)
            {
                Note(connection);
            }
            _events.Raise();
        }

        /// <summary>To be called under the lock; the events are raised after it.</summary>
        private void Note(Connection connection)
        {
            if (connection == Connection.None)
            {
                // A server that was gone may have another database, and count from zero.
                _comparable = false;
            }
            if (_connection != connection)
            {
                _connection = connection;
                _events.Add(() => Raise(ConnectionChanged, connection));
            }
        }

        /// <summary>Take a snapshot in; one that is older than what is known is dropped.</summary>
        private void Take(Snapshot snapshot)
        {
            lock (_lock)
            {
                var known = _snapshot;
                if (known != null && _comparable && snapshot.Revision < known.Revision)
                {
                    return;
                }
                _comparable = true;
                _snapshot = snapshot;
                var moved = known == null || known.BlockId != snapshot.BlockId || known.BlockName != snapshot.BlockName;
                if (moved)
                {
                    _events.Add(() => Raise(BlockChanged, snapshot));
                    if (snapshot.Ended)
                    {
                        _events.Add(() => Raise(Ended, snapshot));
                    }
                }
                else if (!JToken.DeepEquals(known.Config, snapshot.Config))
                {
                    _events.Add(() => Raise(ConfigChanged, snapshot));
                }
            }
            _events.Raise();
        }

        private static void Raise<T>(Action<T> listeners, T value)
        {
            if (listeners != null)
            {
                listeners(value);
            }
        }

        /// <summary>Leave work to itself.</summary>
        private void Background(Task work)
        {
            lock (_lock)
            {
                _working.RemoveAll(done => done.IsCompleted);
                _working.Add(WatchedAsync(work));
            }
        }

        private async Task WatchedAsync(Task work)
        {
            try
            {
                await work.ConfigureAwait(false);
            }
            catch (Exception error)
            {
                _events.Report(error);
            }
        }
    }
}
