using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>Work that goes on by itself: what it raises is reported, and its end can be waited for.</summary>
    internal sealed class Background
    {
        private readonly Events _events;
        private readonly List<Task> _working = new List<Task>();

        /// <param name="events">Where what is raised is reported.</param>
        /// <param name="closing">Cancelled when all of it is to end.</param>
        public Background(Events events, CancellationToken closing)
        {
            _events = events;
            Closing = closing;
        }

        /// <summary>Cancelled when all of it is to end.</summary>
        public CancellationToken Closing { get; }

        public void Run(Func<Task> work)
        {
            // Not on the caller's thread: it may be Unity's main thread, or hold up what is received.
            var running = ReportedAsync(work);
            lock (_working)
            {
                _working.RemoveAll(done => done.IsCompleted);
                _working.Add(running);
            }
        }

        /// <summary>Wait; ends early, without an exception, when all of it is to end or with `early`.</summary>
        public Task PauseAsync(TimeSpan pause, Task early = null)
        {
            var over = Task.Delay(pause, Closing);
            return early == null ? Task.WhenAny(over) : Task.WhenAny(over, early);
        }

        /// <summary>Ends after a time, null is without end, or when all of it is to end.</summary>
        public Task LateAsync(TimeSpan? within)
        {
            return Task.WhenAny(Task.Delay(within ?? TimeSpan.FromMilliseconds(-1), Closing));
        }

        /// <summary>Ends when nothing runs any more; nothing new may be run by then.</summary>
        public Task EndedAsync()
        {
            lock (_working)
            {
                return Task.WhenAll(_working);
            }
        }

        private async Task ReportedAsync(Func<Task> work)
        {
            try
            {
                await Task.Run(work).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                _events.Report(error);
            }
        }
    }
}
