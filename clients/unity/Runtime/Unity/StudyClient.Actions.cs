using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;
using UnityEngine;

namespace ExperimentServer
{
    /// <summary>What an app does in a study: moves, records and files.</summary>
    public sealed partial class StudyClient
    {
        /// <summary>The number of records that wait on the device until the server has them.</summary>
        public int Unsent
        {
            get { return Taking == null ? 0 : Taking.Unsent; }
        }

        /// <summary>
        /// One block on from the one that Block Changed told of last. For buttons and other events; a refusal
        /// is logged.
        /// </summary>
        public void Next()
        {
            Log(NextAsync());
        }

        /// <summary>
        /// One block on from this very one: for what takes a while, as its results do on their way. If the
        /// participant has been moved meanwhile, they stay there, and that is logged.
        /// </summary>
        public void Next(Snapshot block)
        {
            Log(block.NextAsync());
        }

        /// <summary>
        /// The app is done with the block that Block Changed told of last: one block on, once its records have
        /// arrived, or after three seconds. A refusal is logged.
        /// </summary>
        public void Finish()
        {
            Log(FinishAsync());
        }

        /// <summary>The app is done with this very block.</summary>
        public void Finish(Snapshot block)
        {
            Log(block.FinishAsync());
        }

        /// <summary>One block back.</summary>
        public void Previous()
        {
            Log(PreviousAsync());
        }

        /// <summary>To a block by its place in the participant's order, from 0.</summary>
        public void GoTo(int blockId)
        {
            Log(GoToAsync(blockId));
        }

        /// <summary>
        /// One block on from the one that Block Changed told of last; the answer is where the participant is
        /// then. A snapshot's own NextAsync means its block. In a coroutine: NextAsync().InCoroutine().
        /// </summary>
        /// <remarks>Without a connection moves wait, sixteen at most. Raises StudyException.</remarks>
        public Task<Snapshot> NextAsync()
        {
            return Taking == null ? Failed<Snapshot>() : Taking.NextAsync();
        }

        /// <summary>As NextAsync, once the records of the block have arrived, or after three seconds.</summary>
        public Task<Snapshot> FinishAsync()
        {
            return Snapshot == null ? Failed<Snapshot>() : Snapshot.FinishAsync();
        }

        /// <summary>One block back, as NextAsync.</summary>
        public Task<Snapshot> PreviousAsync()
        {
            return Taking == null ? Failed<Snapshot>() : Taking.PreviousAsync();
        }

        /// <summary>To a block by its place in the participant's order, as NextAsync.</summary>
        public Task<Snapshot> GoToAsync(int blockId)
        {
            return Taking == null ? Failed<Snapshot>() : Taking.GoToAsync(blockId);
        }

        /// <summary>
        /// Record values in the block that Block Changed told of last, in the table `trials`. Returns at once: they
        /// are written to the device, and sent in the background until the server has them. A snapshot's own Record
        /// means its block.
        /// </summary>
        public void Record(IEnumerable<KeyValuePair<string, object>> values)
        {
            TakingPart().Record(values);
        }

        /// <summary>Record values in a table.</summary>
        public void Record(string table, IEnumerable<KeyValuePair<string, object>> values)
        {
            TakingPart().Record(table, values);
        }

        /// <summary>Record a JSON object in a table.</summary>
        public void Record(string table, JObject data)
        {
            TakingPart().Record(table, data);
        }

        /// <summary>
        /// Send a file, for what is no record: recordings, samples of trackers. Returns at once; the file is written
        /// to the device and sent in the background.
        /// </summary>
        /// <param name="name">Its path below the participant's folder at the server.</param>
        /// <param name="content">At most 32 MB.</param>
        public void SendFile(string name, byte[] content)
        {
            TakingPart().SendFile(name, content);
        }

        /// <summary>
        /// Block until all files are on the device, where records are already: for scripts that know that the app
        /// ends. Whether they are within the time.
        /// </summary>
        public bool WaitForStorage(TimeSpan within)
        {
            return Taking == null || Taking.WaitForStorage(within);
        }

        /// <summary>Wait until the server has all records and files; the answer is whether it has.</summary>
        /// <param name="within">How long to wait; null is without end.</param>
        public Task<bool> FlushAsync(TimeSpan? within = null)
        {
            return Taking == null ? Failed<bool>() : Taking.FlushAsync(within);
        }

        private static StudyException NotTakingPart()
        {
            return new StudyException("not-connected", "call Connect first");
        }

        private static Task<T> Failed<T>()
        {
            var answer = new TaskCompletionSource<T>();
            answer.SetException(NotTakingPart());
            return answer.Task;
        }

        private Study TakingPart()
        {
            return Taking ?? throw NotTakingPart();
        }

        private void Log(Task<Snapshot> move)
        {
            // A second client of the scene may be gone by the time of the answer.
            var leader = Leader;
            move.ContinueWith(
                refusal => leader._happened.Enqueue(
                    () => Debug.LogWarning("No move: " + refusal.Exception.GetBaseException().Message, leader)),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted,
                TaskScheduler.Default);
        }
    }
}
