using System;
using System.Collections.Generic;
using System.Globalization;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// Estimates how far the server's clock is from this device's: from the exchange that was the shortest of the
    /// last few, because its answer cannot have been on its way for longer.
    /// </summary>
    internal sealed class ClockOffset
    {
        private const int Exchanges = 8;

        private readonly object _lock = new object();
        private readonly Queue<Exchange> _last = new Queue<Exchange>();

        private struct Exchange
        {
            public double Milliseconds;
            public TimeSpan Took;
        }

        /// <summary>Milliseconds to add to this device's clock; null until the server has answered.</summary>
        public double? Milliseconds
        {
            get
            {
                lock (_lock)
                {
                    Exchange? shortest = null;
                    foreach (var exchange in _last)
                    {
                        if (shortest == null || exchange.Took < shortest.Value.Took)
                        {
                            shortest = exchange;
                        }
                    }
                    return shortest?.Milliseconds;
                }
            }
        }

        /// <summary>Take in an exchange.</summary>
        /// <param name="sent">When it was sent by this device's clock, in UTC.</param>
        /// <param name="took">How long the answer took.</param>
        /// <param name="answer">With the server's time.</param>
        public void Take(DateTime sent, TimeSpan took, JToken answer)
        {
            var style = DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal;
            if (!DateTime.TryParse(Json.Text(answer, "server_time"), CultureInfo.InvariantCulture, style, out var server))
            {
                return;
            }
            var middle = sent + TimeSpan.FromTicks(took.Ticks / 2);
            lock (_lock)
            {
                _last.Enqueue(new Exchange { Milliseconds = Math.Round((server - middle).TotalMilliseconds, 1), Took = took });
                while (_last.Count > Exchanges)
                {
                    _last.Dequeue();
                }
            }
        }
    }
}
