using System;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// What the server has said about the participant, and how much of it the app has been told. The two
    /// differ while events wait to be raised, and a move means what the app was told.
    /// </summary>
    internal sealed class Snapshots
    {
        private readonly object _lock = new object();
        private readonly Events _events;
        private readonly Action<Snapshot> _blockChanged;
        private readonly Action<Snapshot> _configChanged;
        private readonly Action<Snapshot> _ended;

        private Snapshot _known;
        private Snapshot _told;
        private bool _comparable;
        private bool _closed;

        public Snapshots(
            Events events, Action<Snapshot> blockChanged, Action<Snapshot> configChanged, Action<Snapshot> ended)
        {
            _events = events;
            _blockChanged = blockChanged;
            _configChanged = configChanged;
            _ended = ended;
        }

        /// <summary>By which the participant can be moved from a snapshot's block.</summary>
        public MoveQueue Moves { private get; set; }

        /// <summary>By which the app can record in a snapshot's block.</summary>
        public RecordQueue Records { private get; set; }

        /// <summary>What the server has said last; null if it has said nothing yet.</summary>
        public Snapshot Known
        {
            get { lock (_lock) { return _known; } }
        }

        /// <summary>What the app was told last, by an event or by the answer to a move.</summary>
        public Snapshot Told
        {
            get { lock (_lock) { return _told; } }
        }

        /// <summary>Read what the server says; raises JsonException for what is no snapshot.</summary>
        public Snapshot Read(JToken value)
        {
            return Snapshot.From(value, Moves, Records);
        }

        /// <summary>
        /// Take in what the server said, unless it is older than what is known. Events.Raise has to follow.
        /// </summary>
        public void Take(Snapshot snapshot)
        {
            lock (_lock)
            {
                var known = _known;
                if (_closed || (known != null && _comparable && snapshot.Revision < known.Revision))
                {
                    return;
                }
                _comparable = true;
                _known = snapshot;
                snapshot.Order = known == null ? 1 : known.Order + 1;
                var moved = known == null || !known.IsSameVisit(snapshot);
                snapshot.BeganRevision = moved ? snapshot.Revision : known.BeganRevision;
                var changed = !moved && !JToken.DeepEquals(known.Config, snapshot.Config);
                _events.Add(() =>
                {
                    Tell(snapshot);
                    if (moved)
                    {
                        _blockChanged(snapshot);
                    }
                    if (moved && snapshot.Ended)
                    {
                        _ended(snapshot);
                    }
                    if (changed)
                    {
                        _configChanged(snapshot);
                    }
                });
            }
        }

        /// <summary>The app is told this, if it has not been told more already.</summary>
        public void Tell(Snapshot snapshot)
        {
            lock (_lock)
            {
                // One that was too old to be taken in has no place in the order.
                if (snapshot.Order > 0 && (_told == null || snapshot.Order >= _told.Order))
                {
                    _told = snapshot;
                }
            }
        }

        /// <summary>A server that was out of reach may have another database, and count from zero.</summary>
        public void BelieveNext()
        {
            lock (_lock)
            {
                _comparable = false;
            }
        }

        /// <summary>Take nothing in any more.</summary>
        public void Close()
        {
            lock (_lock)
            {
                _closed = true;
            }
        }
    }
}
