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

        /// <summary>Names this very move, so that it is made once however often it is sent.</summary>
        public readonly string RequestId = Guid.NewGuid().ToString("N");

        public readonly TaskCompletionSource<Snapshot> Answer =
            new TaskCompletionSource<Snapshot>(TaskCreationOptions.RunContinuationsAsynchronously);

        public Move(string action, int? blockId = null)
        {
            Action = action;
            BlockId = blockId;
        }

        public JObject Parameters()
        {
            var parameters = new JObject();
            parameters["request_id"] = RequestId;
            if (BlockId.HasValue)
            {
                parameters["block_id"] = BlockId.Value;
            }
            return parameters;
        }
    }
}
