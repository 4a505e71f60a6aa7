using System;
using System.Threading;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>Asks over and over where the participant is, once no socket could be opened for a while.</summary>
    internal sealed class PollLoop
    {
        private static readonly TimeSpan SocketWithin = TimeSpan.FromSeconds(3);
        private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

        private readonly RestApi _rest;
        private readonly Transport _transport;
        private readonly Events _events;
        private readonly CancellationTokenSource _stop;

        public PollLoop(RestApi rest, Transport transport, Events events, CancellationToken closing)
        {
            _rest = rest;
            _transport = transport;
            _events = events;
            _stop = CancellationTokenSource.CreateLinkedTokenSource(closing);
        }

        public void Stop()
        {
            _stop.Cancel();
        }

        public async Task RunAsync()
        {
            string tag = null;
            var pause = SocketWithin;
            while (true)
            {
                // Without an exception when it is stopped, which is no failure.
                await Task.WhenAny(Task.Delay(pause, _stop.Token)).ConfigureAwait(false);
                if (_stop.IsCancellationRequested)
                {
                    return;
                }
                tag = await AskAsync(tag).ConfigureAwait(false);
                pause = Every;
            }
        }

        /// <summary>Ask once; returns the tag of what is known by it, null if that is nothing.</summary>
        private async Task<string> AskAsync(string tag)
        {
            try
            {
                var said = await _rest.StateAsync(tag, _stop.Token).ConfigureAwait(false);
                _transport.PollSaid(this, said.Snapshot);
                return said.Tag;
            }
            catch (StudyException refusal)
            {
                if (refusal.IsNotLetIn)
                {
                    _transport.RequestsFail();
                    _transport.TellRefused(refusal);
                }
                return null;
            }
            catch (Exception error)
            {
                if (!_stop.IsCancellationRequested)
                {
                    _events.Report(error);
                    _transport.RequestsFail();
                }
                // What there is when the server can be reached again is said anew.
                return null;
            }
        }
    }
}
