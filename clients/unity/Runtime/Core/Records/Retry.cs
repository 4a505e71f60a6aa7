using System;

namespace ExperimentServer
{
    /// <summary>The pauses before something is tried again: longer each time, and never the same for all apps.</summary>
    internal sealed class Retry
    {
        private static readonly TimeSpan AtFirst = TimeSpan.FromMilliseconds(250);
        private static readonly TimeSpan AtLast = TimeSpan.FromSeconds(15);

        private readonly Random _jitter = new Random(Guid.NewGuid().GetHashCode());
        private TimeSpan _next = AtFirst;

        public void Worked()
        {
            _next = AtFirst;
        }

        public TimeSpan Pause()
        {
            var pause = TimeSpan.FromTicks((long)(_next.Ticks * (0.5 + _jitter.NextDouble() / 2)));
            _next = TimeSpan.FromTicks(Math.Min(2 * _next.Ticks, AtLast.Ticks));
            return pause;
        }
    }
}
