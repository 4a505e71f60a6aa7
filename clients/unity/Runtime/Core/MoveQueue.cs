using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>Moves that were asked for: each is sent until it is answered, one after the other.</summary>
    internal sealed class MoveQueue
    {
        /// <summary>Moves that wait for a connection. People press a button again and again.</summary>
        public const int Limit = 16;

        private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);
        private static readonly TimeSpan LaterAfter = TimeSpan.FromSeconds(1);

        private readonly object _lock = new object();
        private readonly Queue<Move> _waiting = new Queue<Move>();
        private readonly Snapshots _snapshots;
        private readonly Transport _transport;
        private readonly Background _background;
        private readonly Events _events;

        private bool _sending;
        private bool _closed;

        public MoveQueue(Snapshots snapshots, Transport transport, Background background, Events events)
        {
            _snapshots = snapshots;
            _transport = transport;
            _background = background;
            _events = events;
        }

        /// <summary>Ask for a move from a block, or from wherever it is asked for.</summary>
        /// <param name="make">Makes it, from where the participant is for it.</param>
        /// <param name="shown">The block that the app means; null is the last one that it was told.</param>
        public Task<Snapshot> Ask(Func<Origin, Move> make, Snapshot shown = null)
        {
            Move move;
            lock (_lock)
            {
                if (_closed)
                {
                    return Failed(StudyException.Closed());
                }
                if (_waiting.Count >= Limit)
                {
                    return Failed(new StudyException("queue-full", Limit + " moves wait for a connection already"));
                }
                var from = shown == null ? Reckoned() : Origin.Of(shown);
                if (from == null)
                {
                    return Failed(StudyException.NotReady());
                }
                move = make(from);
                _waiting.Enqueue(move);
            }
            Send();
            return move.Answer.Task;
        }

        /// <summary>Send what waits, in order, for as long as the server can be reached.</summary>
        public void Send()
        {
            lock (_lock)
            {
                if (_sending || _waiting.Count == 0)
                {
                    return;
                }
                _sending = true;
            }
            _background.Run(SendAsync);
        }

        /// <summary>No move that waits is made.</summary>
        public void Reject(StudyException error)
        {
            List<Move> moves;
            lock (_lock)
            {
                moves = new List<Move>(_waiting);
                _waiting.Clear();
            }
            foreach (var move in moves)
            {
                move.Answer.TrySetException(error);
            }
        }

        /// <summary>No move is made any more.</summary>
        public void Close()
        {
            lock (_lock)
            {
                _closed = true;
            }
            Reject(StudyException.Closed());
        }

        /// <summary>Where the participant is once the moves that wait are made; null if that is not known.</summary>
        private Origin Reckoned()
        {
            var told = _snapshots.Told;
            if (told == null)
            {
                return null;
            }
            var at = Origin.Of(told);
            foreach (var waiting in _waiting)
            {
                at = waiting.Leads(at, told.BlocksCount);
            }
            return at;
        }

        private async Task SendAsync()
        {
            Move first;
            while ((first = First()) != null)
            {
                var pause = TimeSpan.Zero;
                try
                {
                    Answered(first, await _transport.MoveAsync(first).ConfigureAwait(false));
                }
                catch (StudyException refusal)
                {
                    if (refusal.MayWorkLater)
                    {
                        pause = LaterAfter;
                    }
                    else
                    {
                        Refused(first, refusal);
                    }
                }
                catch (Exception error)
                {
                    // Nobody knows whether it was made: it is sent again, by its name.
                    _events.Report(error);
                    pause = RetryAfter;
                }
                if (pause > TimeSpan.Zero)
                {
                    await _background.PauseAsync(pause).ConfigureAwait(false);
                }
            }
        }

        /// <summary>What is to be sent; null ends the sending.</summary>
        private Move First()
        {
            lock (_lock)
            {
                if (_waiting.Count > 0 && _transport.Connection != Connection.None)
                {
                    return _waiting.Peek();
                }
                _sending = false;
                return null;
            }
        }

        private void Answered(Move move, Snapshot snapshot)
        {
            // Before it leaves the queue: from then on another move begins where it led.
            _snapshots.Tell(snapshot);
            lock (_lock)
            {
                if (IsFirst(move))
                {
                    _waiting.Dequeue();
                }
            }
            move.Answer.TrySetResult(snapshot);
        }

        /// <summary>Who asked for the moves after it, expected them to begin where it leads.</summary>
        private void Refused(Move move, StudyException refusal)
        {
            var refused = new List<Move> { move };
            lock (_lock)
            {
                if (IsFirst(move))
                {
                    _waiting.Dequeue();
                    while (_waiting.Count > 0 && _waiting.Peek().From != null && _waiting.Peek().From.Reckoned)
                    {
                        refused.Add(_waiting.Dequeue());
                    }
                }
            }
            foreach (var one in refused)
            {
                one.Answer.TrySetException(refusal);
            }
        }

        /// <summary>It is not, if all that waited was refused meanwhile.</summary>
        private bool IsFirst(Move move)
        {
            return _waiting.Count > 0 && _waiting.Peek() == move;
        }

        private static Task<Snapshot> Failed(StudyException error)
        {
            var answer = new TaskCompletionSource<Snapshot>();
            answer.SetException(error);
            return answer.Task;
        }
    }
}
