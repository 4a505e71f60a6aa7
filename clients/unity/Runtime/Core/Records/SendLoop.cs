using System;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>Sends what waits, one after the other, and each again until the server has answered.</summary>
    internal sealed class SendLoop<T>
        where T : class
    {
        // Held while it is decided whether there is something to send. Taken before the locks of what waits.
        private readonly object _lock = new object();
        private readonly Signal _reached = new Signal();
        private readonly Transport _transport;
        private readonly Background _background;
        private readonly RecordEvents _events;
        private readonly Func<T> _next;
        private readonly Func<T, Task> _send;
        private readonly Func<T, StudyException, bool> _setAside;

        private bool _sending;

        /// <param name="transport">The way to the server.</param>
        /// <param name="background">Runs the sending.</param>
        /// <param name="events">Where what is raised is reported.</param>
        /// <param name="next">What is to be sent next; null if nothing is.</param>
        /// <param name="send">Sends it once, and takes it from what waits once it has arrived.</param>
        /// <param name="setAside">
        /// Takes what will never be accepted from what waits; false if the refusal does not say that.
        /// </param>
        public SendLoop(
            Transport transport, Background background, RecordEvents events, Func<T> next, Func<T, Task> send,
            Func<T, StudyException, bool> setAside)
        {
            _transport = transport;
            _background = background;
            _events = events;
            _next = next;
            _send = send;
            _setAside = setAside;
        }

        /// <summary>The server is reached: what failed without it is sent at once.</summary>
        public void Reached()
        {
            _reached.Raise();
            Send();
        }

        /// <summary>To be called after each change of what waits, and not under its locks.</summary>
        public void Send()
        {
            lock (_lock)
            {
                if (_sending || Next() == null)
                {
                    return;
                }
                _sending = true;
            }
            _background.Run(SendAllAsync);
        }

        /// <summary>To be called under the lock.</summary>
        private T Next()
        {
            return _background.Closing.IsCancellationRequested || _transport.Connection == Connection.None ? null : _next();
        }

        /// <summary>What is to be sent; null ends the sending.</summary>
        private T NextOrEnd()
        {
            lock (_lock)
            {
                var next = Next();
                _sending = next != null;
                return next;
            }
        }

        private async Task SendAllAsync()
        {
            var retry = new Retry();
            T next;
            while ((next = NextOrEnd()) != null)
            {
                // Taken before it is sent: the server may be reached again while it is on its way.
                var reached = _reached.Next;
                try
                {
                    await _send(next).ConfigureAwait(false);
                    retry.Worked();
                    continue;
                }
                catch (StudyException refusal)
                {
                    if (_setAside(next, refusal))
                    {
                        continue;
                    }
                    // A limit, or a token. Being reached does not change that.
                    reached = null;
                }
                catch (Exception error)
                {
                    // Nobody knows whether it arrived: it is sent again, and the server keeps it once.
                    _events.Report(error);
                }
                await _background.PauseAsync(retry.Pause(), reached).ConfigureAwait(false);
            }
        }
    }
}
