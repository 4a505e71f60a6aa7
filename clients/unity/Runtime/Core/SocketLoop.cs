using System;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>Has a socket, and another one whenever it is lost or refused.</summary>
    internal sealed class SocketLoop
    {
        private static readonly TimeSpan PauseAtFirst = TimeSpan.FromMilliseconds(250);
        private static readonly TimeSpan PauseAtLast = TimeSpan.FromSeconds(3);

        private readonly object _lock = new object();
        private readonly Uri _server;
        private readonly JObject _auth;
        private readonly Transport _transport;
        private readonly Background _background;
        private readonly Events _events;

        private SocketIo _socket;
        private TaskCompletionSource<bool> _awake = NotAwake();

        public SocketLoop(Uri server, JObject auth, Transport transport, Background background, Events events)
        {
            _server = server;
            _auth = auth;
            _transport = transport;
            _background = background;
            _events = events;
        }

        /// <summary>End the socket that there is, and the pause before the next.</summary>
        public void Again()
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

        public async Task RunAsync()
        {
            var pause = PauseAtFirst;
            while (!_background.Closing.IsCancellationRequested)
            {
                if (await UseAsync().ConfigureAwait(false))
                {
                    pause = PauseAtFirst;
                }
                await PauseAsync(pause).ConfigureAwait(false);
                pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, PauseAtLast.Ticks));
            }
        }

        /// <summary>Use one socket until it ends; whether the server said by it where the participant is.</summary>
        private async Task<bool> UseAsync()
        {
            var reached = false;
            SocketIo socket = null;
            StudyException refusal = null;
            using (socket = new SocketIo(_server, _auth, (name, value) => reached |= Heard(socket, name, value)))
            {
                lock (_lock)
                {
                    _socket = socket;
                }
                if (_background.Closing.IsCancellationRequested)
                {
                    return false;
                }
                try
                {
                    await socket.RunAsync().ConfigureAwait(false);
                }
                catch (StudyException error)
                {
                    refusal = error;
                }
                catch (Exception error)
                {
                    // A connection that failed: there will be another.
                    _events.Report(error);
                }
            }
            _transport.SocketEnded();
            if (_background.Closing.IsCancellationRequested)
            {
                await socket.GoneAsync().ConfigureAwait(false);
            }
            if (refusal != null && refusal.IsNotLetIn)
            {
                _transport.TellRefused(refusal);
            }
            return reached;
        }

        /// <summary>Whether it says where the participant is.</summary>
        private bool Heard(SocketIo socket, string name, JToken value)
        {
            if (name == "problem")
            {
                // The participant's blocks cannot be made: a state does not come.
                _events.Report(new StudyException(Json.Text(value, "code") ?? "problem", Json.Text(value, "message") ?? ""));
                return false;
            }
            if (name != "state" && name != "block-changed" && name != "config-changed")
            {
                return false;
            }
            _transport.SocketSaid(socket, value);
            return true;
        }

        private async Task PauseAsync(TimeSpan pause)
        {
            Task awake;
            lock (_lock)
            {
                awake = _awake.Task;
            }
            await _background.PauseAsync(pause, awake).ConfigureAwait(false);
            lock (_lock)
            {
                _awake = NotAwake();
            }
        }

        private static TaskCompletionSource<bool> NotAwake()
        {
            return new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
