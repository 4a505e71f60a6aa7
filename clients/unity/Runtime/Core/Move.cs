using System;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>A move that is asked for, and what waits for its answer.</summary>
    internal sealed class Move
    {
        public readonly string Action;
        public readonly int? BlockId;

        /// <summary>Where the participant has to be for it: who asked for it saw them there.</summary>
        public readonly int? FromBlock;

        /// <summary>Names this very move, so that it is made once however often it is sent.</summary>
        public readonly string RequestId = Guid.NewGuid().ToString("N");

        public readonly TaskCompletionSource<Snapshot> Answer =
            new TaskCompletionSource<Snapshot>(TaskCreationOptions.RunContinuationsAsynchronously);

        private Move(string action, int? blockId, int? fromBlock)
        {
            Action = action;
            BlockId = blockId;
            FromBlock = fromBlock;
        }

        public static Move Next(int from)
        {
            return new Move("move-to-next", null, from);
        }

        public static Move Previous(int from)
        {
            return new Move("move-to-previous", null, from);
        }

        public static Move To(int block)
        {
            return new Move("move-to-block", block, null);
        }

        /// <summary>Where the participant is after it, if they were at a block before.</summary>
        public int Leads(int from, int blocksCount)
        {
            if (BlockId.HasValue)
            {
                return BlockId.Value;
            }
            if (FromBlock != from)
            {
                // What it does is known already: the server tells everybody before it answers.
                return from;
            }
            return Action == "move-to-next" ? Math.Min(from + 1, blocksCount) : Math.Max(from - 1, -1);
        }

        public JObject Parameters()
        {
            var parameters = new JObject();
            parameters["request_id"] = RequestId;
            if (BlockId.HasValue)
            {
                parameters["block_id"] = BlockId.Value;
            }
            if (FromBlock.HasValue)
            {
                parameters["from_block"] = FromBlock.Value;
            }
            return parameters;
        }
    }
}
