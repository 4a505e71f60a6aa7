using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// Records on their way: written to the device first, sent in batches in the background, and repeated with the
    /// same ids until the server has answered.
    /// </summary>
    internal sealed class RecordQueue : IDisposable
    {
        // Fast recordings are gathered for so long: each batch is an entry in the server's log.
        private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(100);

        private readonly object _lock = new object();
        private readonly string _run = NewRun();
        private readonly ClockOffset _clock = new ClockOffset();
        private readonly WaitingRecords _waiting;
        private readonly Transport _transport;
        private readonly Background _background;
        private readonly Func<int, string> _folderOf;
        private readonly SendLoop<List<Record>> _sending;

        private long _made;
        private int _reported;
        private bool _opened;

        /// <param name="transport">The way to the server.</param>
        /// <param name="background">Runs the sending.</param>
        /// <param name="events">Tell the app what becomes of records.</param>
        /// <param name="folderOf">The folder for what waits of a participant; null is none.</param>
        public RecordQueue(
            Transport transport, Background background, RecordEvents events, Func<int, string> folderOf)
        {
            _waiting = new WaitingRecords(events);
            _transport = transport;
            _background = background;
            _folderOf = folderOf;
            _sending = new SendLoop<List<Record>>(transport, background, events, Next, SendAsync, SetAside);
        }

        /// <summary>The number of records that the server has not got yet.</summary>
        public int Unsent
        {
            get { return _waiting.Count; }
        }

        /// <summary>
        /// Record values: they are with the operating system when this returns. Raises StudyException for what no
        /// server would ever accept.
        /// </summary>
        public void Add(string table, IEnumerable<KeyValuePair<string, object>> values, Snapshot block)
        {
            RecordValues.RequireTable(table);
            var data = RecordValues.Text(values);
            if (block == null)
            {
                throw StudyException.NotReady();
            }
            _waiting.Add(() =>
            {
                _made++;
                var id = _run + "-" + _made.ToString(CultureInfo.InvariantCulture);
                return Record.Now(table, id, block, data, _clock.Milliseconds);
            });
            _sending.Send();
        }

        /// <summary>The server is reached, and the participant known. Before that nothing can be recorded.</summary>
        public void Reached(int participant)
        {
            bool first;
            lock (_lock)
            {
                first = !_opened;
                _opened = true;
            }
            if (first)
            {
                var folder = _folderOf(participant);
                _waiting.Open(folder == null ? null : new RecordStore(folder, _run));
                _background.Run(() =>
                {
                    _waiting.TakeOver();
                    _sending.Send();
                    return Task.CompletedTask;
                });
            }
            _sending.Reached();
        }

        /// <summary>Wait until none of these records waits; whether that came about before `late`.</summary>
        public Task<bool> SettledAsync(Func<Record, bool> which, Task late)
        {
            return _waiting.SettledAsync(which, late);
        }

        /// <summary>Ends after a time, or when the app stops taking part.</summary>
        public Task LateAsync(TimeSpan within)
        {
            return _background.LateAsync(within);
        }

        /// <summary>Send nothing more: what waits is left to the next run.</summary>
        public void Dispose()
        {
            _waiting.Dispose();
        }

        private static string NewRun()
        {
            var bytes = new byte[8];
            using (var random = RandomNumberGenerator.Create())
            {
                random.GetBytes(bytes);
            }
            return string.Concat(bytes.Select(one => one.ToString("x2", CultureInfo.InvariantCulture)));
        }

        /// <summary>The next batch: no records if only their number is to be told.</summary>
        private List<Record> Next()
        {
            var batch = _waiting.Batch();
            lock (_lock)
            {
                return batch.Count > 0 || _reported > 0 ? batch : null;
            }
        }

        /// <summary>A refusal that names none of these records is of the whole batch.</summary>
        private bool SetAside(List<Record> batch, StudyException refusal)
        {
            var refused = batch.FirstOrDefault(record => record.Id == refusal.RecordId);
            if (refused == null)
            {
                return false;
            }
            _waiting.SetAside(refused, refusal);
            return true;
        }

        private async Task SendAsync(List<Record> batch)
        {
            var unsent = Unsent - batch.Count;
            var offset = _clock.Milliseconds;
            var body = new JObject
            {
                { "records", new JArray(batch.Select(record => new JRaw(record.Sent(offset)))) },
                { "unsent", unsent }
            };
            if (batch.Count > 0)
            {
                body["table"] = batch[0].Table;
            }
            var sent = DateTime.UtcNow;
            var watch = Stopwatch.StartNew();
            var answer = await _transport.RecordAsync(body).ConfigureAwait(false);
            if (Json.Member(answer, "accepted")?.Type != JTokenType.Integer)
            {
                throw Json.NotTheServers();
            }
            _clock.Take(sent, watch.Elapsed, answer);
            lock (_lock)
            {
                _reported = unsent;
            }
            _waiting.Sent(batch);
            if (batch.Count < WaitingRecords.BatchRecords)
            {
                await _background.PauseAsync(Gather).ConfigureAwait(false);
            }
        }
    }
}
