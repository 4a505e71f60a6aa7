using System;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>The block in which a move begins, so that it is not made from another.</summary>
    internal sealed class Origin
    {
        public readonly int BlockId;

        /// <summary>Null outside a block, and where the participant has not arrived yet.</summary>
        public readonly string StartedAt;

        /// <summary>Whether moves that wait have to be made first.</summary>
        public readonly bool Reckoned;

        private Origin(int blockId, string startedAt, bool reckoned)
        {
            BlockId = blockId;
            StartedAt = startedAt;
            Reckoned = reckoned;
        }

        public static Origin Of(Snapshot snapshot)
        {
            return new Origin(snapshot.BlockId, snapshot.BlockStartedAt, false);
        }

        public static Origin Reckon(int blockId)
        {
            return new Origin(blockId, null, true);
        }

        public bool IsSame(Origin other)
        {
            return BlockId == other.BlockId
                && (StartedAt == null || other.StartedAt == null || StartedAt == other.StartedAt);
        }
    }

    /// <summary>A move that is asked for, and what waits for its answer.</summary>
    internal sealed class Move
    {
        public readonly string Action;

        /// <summary>Where it leads, if it names that.</summary>
        public readonly int? BlockId;

        /// <summary>Where the participant has to be for it; null is anywhere.</summary>
        public readonly Origin From;

        /// <summary>Names this very move, so that it is made once however often it is sent.</summary>
        public readonly string RequestId = Guid.NewGuid().ToString("N");

        public readonly TaskCompletionSource<Snapshot> Answer =
            new TaskCompletionSource<Snapshot>(TaskCreationOptions.RunContinuationsAsynchronously);

        private Move(string action, int? blockId, Origin from)
        {
            Action = action;
            BlockId = blockId;
            From = from;
        }

        public static Move Next(Origin from)
        {
            return new Move("move-to-next", null, from);
        }

        public static Move Previous(Origin from)
        {
            return new Move("move-to-previous", null, from);
        }

        public static Move To(int block)
        {
            return new Move("move-to-block", block, null);
        }

        /// <summary>Where the participant is after it, if they were somewhere before.</summary>
        public Origin Leads(Origin at, int blocksCount)
        {
            if (BlockId.HasValue)
            {
                return Origin.Reckon(BlockId.Value);
            }
            if (!From.IsSame(at))
            {
                // What it does is known already: the server tells everybody before it answers.
                return at;
            }
            return Origin.Reckon(
                Action == "move-to-next" ? Math.Min(at.BlockId + 1, blocksCount) : Math.Max(at.BlockId - 1, -1));
        }

        public JObject Parameters()
        {
            var parameters = new JObject();
            parameters["request_id"] = RequestId;
            if (BlockId.HasValue)
            {
                parameters["block_id"] = BlockId.Value;
            }
            if (From != null)
            {
                parameters["from_block"] = From.BlockId;
                if (From.StartedAt != null)
                {
                    parameters["from_started_at"] = From.StartedAt;
                }
            }
            return parameters;
        }
    }
}
