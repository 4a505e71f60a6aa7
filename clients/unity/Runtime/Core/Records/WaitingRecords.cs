using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>The records that the server has not got yet, in memory and on the device.</summary>
    internal sealed class WaitingRecords : IDisposable
    {
        // A message of an app has at most 128 kB.
        public const int BatchRecords = 100;
        private const int BatchBytes = 100 * 1000;

        // Held for as long as it takes to change the list, and never while a file is written.
        private readonly object _lock = new object();

        // Keeps the records in the files in their order. Taken before _lock.
        private readonly object _writing = new object();

        private readonly List<Record> _waiting = new List<Record>();
        private readonly List<Record> _unwritten = new List<Record>();
        private readonly Signal _changed = new Signal();
        private readonly RecordEvents _events;

        private RecordStore _store;
        private bool _takingOver;
        private bool _closed;

        public WaitingRecords(RecordEvents events)
        {
            _events = events;
        }

        public int Count
        {
            get { lock (_lock) { return _waiting.Count; } }
        }

        /// <summary>Have a store from now on; null is none. TakeOver has to follow.</summary>
        public void Open(RecordStore store)
        {
            lock (_lock)
            {
                _takingOver = true;
            }
            lock (_writing)
            {
                _store = store;
                Try(() => _store?.Prepare());
            }
        }

        /// <summary>Have the records of runs that have ended, before those of this one.</summary>
        public void TakeOver()
        {
            var found = new List<Record>();
            Try(() => found.AddRange(_store?.TakeOver() ?? found));
            lock (_lock)
            {
                _waiting.InsertRange(0, found);
                _takingOver = false;
            }
            _changed.Raise();
        }

        /// <summary>Add a record: the operating system has it when this returns.</summary>
        /// <param name="make">Makes it, in the order of the records.</param>
        public void Add(Func<Record> make)
        {
            lock (_writing)
            {
                var record = make();
                lock (_lock)
                {
                    if (_closed)
                    {
                        throw StudyException.Closed();
                    }
                    _waiting.Add(record);
                }
                _unwritten.Add(record);
                if (_store != null && Try(() => _store.Append(_unwritten)))
                {
                    _unwritten.Clear();
                }
            }
        }

        /// <summary>The next records of one table; none if none waits, or not all are known yet.</summary>
        public List<Record> Batch()
        {
            var batch = new List<Record>();
            var bytes = 0;
            lock (_lock)
            {
                foreach (var record in _takingOver ? new List<Record>() : _waiting)
                {
                    if (record.Table != _waiting[0].Table)
                    {
                        continue;
                    }
                    bytes += record.Bytes;
                    if (batch.Count == BatchRecords || (batch.Count > 0 && bytes > BatchBytes))
                    {
                        break;
                    }
                    batch.Add(record);
                }
            }
            return batch;
        }

        /// <summary>The server has these.</summary>
        public void Sent(IReadOnlyCollection<Record> records)
        {
            Remove(records, store => store.Forget(records));
        }

        /// <summary>The server will never have this one.</summary>
        public void SetAside(Record record, StudyException reason)
        {
            Remove(new[] { record }, store => store.SetAside(record, reason));
            _events.SetAside(record, reason);
        }

        /// <summary>Wait until none of these records waits; whether that came about before `late`.</summary>
        public Task<bool> SettledAsync(Func<Record, bool> which, Task late)
        {
            return _changed.UntilAsync(() => HasNone(which), late);
        }

        /// <summary>Take no more; what waits is left to the next run.</summary>
        public void Dispose()
        {
            lock (_lock)
            {
                _closed = true;
            }
            lock (_writing)
            {
                Try(() => _store?.Dispose());
            }
        }

        private bool HasNone(Func<Record, bool> which)
        {
            lock (_lock)
            {
                return !_takingOver && !_waiting.Any(which);
            }
        }

        private bool Try(Action use)
        {
            if (!_events.TryStorage(use))
            {
                return false;
            }
            _events.StorageWorks();
            return true;
        }

        private void Remove(IReadOnlyCollection<Record> records, Action<RecordStore> fromStore)
        {
            var gone = new HashSet<Record>(records);
            lock (_writing)
            {
                _unwritten.RemoveAll(gone.Contains);
                if (_store != null)
                {
                    Try(() => fromStore(_store));
                }
            }
            lock (_lock)
            {
                _waiting.RemoveAll(gone.Contains);
            }
            _changed.Raise();
        }
    }
}
