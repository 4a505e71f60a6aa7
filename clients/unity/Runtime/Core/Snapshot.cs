using System;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>Where a participant is, with everything that their app needs to know.</summary>
    public sealed class Snapshot
    {
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

        /// <summary>ISO 8601 in UTC; null outside a block.</summary>
        public string BlockStartedAt { get; private set; }

        /// <summary>The name of the study.</summary>
        public string Study { get; private set; }

        /// <summary>Whether they are past the last block.</summary>
        public bool Ended
        {
            get { return BlockId >= BlocksCount; }
        }

        /// <summary>All that the server said, in its own names.</summary>
        public JObject Raw { get; private set; }

        /// <summary>
        /// The current block's config as a class of yours, whose fields have the names of its keys;
        /// null outside a block. Raises StudyException (`config-mismatch`) if a value does not fit.
        /// </summary>
        public T GetConfig<T>()
            where T : class
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

        /// <summary>Read by hand, and not by reflection: IL2CPP strips what nobody calls.</summary>
        internal static Snapshot From(JToken value)
        {
            var raw = value as JObject;
            if (raw == null || Json.Member(raw, "block_id") == null || Json.Member(raw, "revision") == null)
            {
                throw new JsonException("what the server said is no state of a participant");
            }
            return new Snapshot
            {
                Raw = raw,
                ParticipantIndex = (int)raw["participant_index"],
                Active = (bool)raw["active"],
                BlockId = (int)raw["block_id"],
                BlockName = (string)raw["block_name"],
                BlocksCount = (int)raw["blocks_count"],
                Config = Json.Member(raw, "config") as JObject,
                Revision = (long)raw["revision"],
                BlockStartedAt = Json.Text(raw, "block_started_at"),
                Study = Json.Text(raw, "study")
            };
        }
    }
}
