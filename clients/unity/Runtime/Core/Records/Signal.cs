using System;
using System.Threading;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>Something that happens again and again, and can be waited for each time.</summary>
    internal sealed class Signal
    {
        private TaskCompletionSource<bool> _next = New();

        /// <summary>Ends when it happens next.</summary>
        public Task Next
        {
            get { return Volatile.Read(ref _next).Task; }
        }

        public void Raise()
        {
            Interlocked.Exchange(ref _next, New()).TrySetResult(true);
        }

        /// <summary>Wait until something is so, which is asked each time; whether that came about before `late`.</summary>
        public async Task<bool> UntilAsync(Func<bool> isSo, Task late)
        {
            while (true)
            {
                // Taken before it is asked: it may come about in between.
                var next = Next;
                if (isSo())
                {
                    return true;
                }
                if (await Task.WhenAny(next, late).ConfigureAwait(false) == late)
                {
                    return false;
                }
            }
        }

        private static TaskCompletionSource<bool> New()
        {
            return new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
