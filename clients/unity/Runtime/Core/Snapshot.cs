using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>Where a participant is, with everything that their app needs to know.</summary>
    public sealed class Snapshot
    {
        /// <summary>The table of records that name none.</summary>
        public const string DefaultTable = "trials";

        private static readonly TimeSpan FinishWithin = TimeSpan.FromSeconds(3);

        private readonly MoveQueue _moves;
        private readonly RecordQueue _records;
        private long? _beganRevision;

        private Snapshot(MoveQueue moves, RecordQueue records)
        {
            _moves = moves;
            _records = records;
        }

        public int ParticipantIndex { get; private set; }

        /// <summary>Whether they are in a block.</summary>
        public bool Active { get; private set; }

        /// <summary>-1 before the first block, BlocksCount after the last.</summary>
        public int BlockId { get; private set; }

        /// <summary>"START" before the first block, "END" after the last.</summary>
        public string BlockName { get; private set; }

        public int BlocksCount { get; private set; }

        /// <summary>The current block's config; null outside a block.</summary>
        public JObject Config { get; private set; }

        /// <summary>Counts the changes of this participant; what is lower is older.</summary>
        public long Revision { get; private set; }

        /// <summary>The row of the design that they follow; their index unless they got another.</summary>
        public int Row { get; private set; }

        /// <summary>ISO 8601 in UTC; null outside a block.</summary>
        public string BlockStartedAt { get; private set; }

        /// <summary>Identifies the version of the study that the block is of.</summary>
        public string Study { get; private set; }

        /// <summary>Whether they are past the last block.</summary>
        public bool Ended
        {
            get { return BlockId >= BlocksCount; }
        }

        /// <summary>Its place among those that were taken in, from 1; 0 is none.</summary>
        internal long Order { get; set; }

        /// <summary>The revision with which this visit of the block began for the app.</summary>
        internal long BeganRevision
        {
            get { return _beganRevision ?? Revision; }
            set { _beganRevision = value; }
        }

        /// <summary>All that the server said, in its own names.</summary>
        public JObject Raw { get; private set; }

        /// <summary>
        /// One block on from this one; the answer is where the participant is then. Fails with
        /// `participant-elsewhere` if they are in another block by now, or in this one anew: the app hears of
        /// that by an event, and no block is skipped.
        /// </summary>
        public Task<Snapshot> NextAsync()
        {
            return _moves.Ask(Move.Next, this);
        }

        /// <summary>
        /// The app is done with this block: wait for its records to arrive, three seconds at most, and then
        /// NextAsync. Records that have not arrived by then are sent later, and belong to this block anyway.
        /// </summary>
        public async Task<Snapshot> FinishAsync()
        {
            await _records.SettledAsync(
                record => record.BlockId == BlockId && record.Revision == BeganRevision,
                _records.LateAsync(FinishWithin)).ConfigureAwait(false);
            return await NextAsync().ConfigureAwait(false);
        }

        /// <summary>
        /// Record values in this block, in the table `trials`. Returns at once: they are written to the device,
        /// sent in the background, and kept until the server has them, also over a restart of the app.
        /// </summary>
        /// <remarks>
        /// Raises StudyException for what no server would accept (`record-invalid`, `record-too-large`), and
        /// once the app has stopped taking part (`closed`).
        /// </remarks>
        public void Record(IEnumerable<KeyValuePair<string, object>> values)
        {
            _records.Add(DefaultTable, values, this);
        }

        /// <summary>Record values in this block, in a table.</summary>
        public void Record(string table, IEnumerable<KeyValuePair<string, object>> values)
        {
            _records.Add(table, values, this);
        }

        /// <summary>Record a JSON object in this block, in the table `trials`.</summary>
        public void Record(JObject data)
        {
            _records.Add(DefaultTable, RecordValues.Of(data), this);
        }

        /// <summary>Record a JSON object in this block, in a table.</summary>
        public void Record(string table, JObject data)
        {
            _records.Add(table, RecordValues.Of(data), this);
        }

        /// <summary>One block back from this one, as NextAsync.</summary>
        public Task<Snapshot> PreviousAsync()
        {
            return _moves.Ask(Move.Previous, this);
        }

        /// <summary>
        /// The current block's config as a class of yours, whose fields have the names of its keys;
        /// null outside a block. Raises StudyException (`config-mismatch`) if a value does not fit.
        /// </summary>
        /// <remarks>`new()` has IL2CPP keep a constructor that only Newtonsoft's JSON calls.</remarks>
        public T GetConfig<T>()
            where T : class, new()
        {
            if (Config == null)
            {
                return null;
            }
            try
            {
                return Config.ToObject<T>();
            }
            catch (Exception error) when (error is JsonException || error is ArgumentException || error is FormatException || error is InvalidCastException || error is OverflowException)
            {
                throw new StudyException(
                    "config-mismatch",
                    "the config of block \"" + BlockName + "\" is no " + typeof(T).Name + ": " + error.Message);
            }
        }

        /// <summary>Whether both are of the same block, and it was not begun anew in between.</summary>
        internal bool IsSameVisit(Snapshot other)
        {
            return BlockId == other.BlockId && BlockName == other.BlockName && BlockStartedAt == other.BlockStartedAt;
        }

        /// <summary>Read what the server says; raises JsonException for what is no snapshot.</summary>
        /// <remarks>By hand, and not by reflection: IL2CPP strips what nobody calls.</remarks>
        internal static Snapshot From(JToken value, MoveQueue moves, RecordQueue records)
        {
            var raw = value as JObject;
            if (raw == null)
            {
                throw new JsonException("what the server said is no state of a participant");
            }
            try
            {
                return new Snapshot(moves, records)
                {
                    Raw = raw,
                    ParticipantIndex = (int)raw["participant_index"],
                    Active = (bool)raw["active"],
                    BlockId = (int)raw["block_id"],
                    BlockName = (string)raw["block_name"],
                    BlocksCount = (int)raw["blocks_count"],
                    Config = Json.Member(raw, "config") as JObject,
                    Revision = (long)raw["revision"],
                    Row = (int)raw["row"],
                    BlockStartedAt = Json.Text(raw, "block_started_at"),
                    Study = Json.Text(raw, "study")
                };
            }
            catch (Exception error) when (error is ArgumentException || error is FormatException || error is OverflowException)
            {
                throw new JsonException("what the server said is no state of a participant: " + error.Message);
            }
        }
    }
}
