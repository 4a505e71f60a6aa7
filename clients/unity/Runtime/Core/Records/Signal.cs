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

        private static TaskCompletionSource<bool> New()
        {
            return new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
