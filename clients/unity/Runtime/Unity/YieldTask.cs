using System;
using System.Threading.Tasks;
using UnityEngine;

namespace ExperimentServer
{
    /// <summary>
    /// A task that a coroutine waits for: `var move = block.FinishAsync().InCoroutine(); yield return move;`. After it
    /// `move.Error` says whether it failed, and `move.Result` has the answer.
    /// </summary>
    public sealed class YieldTask<T> : CustomYieldInstruction
    {
        private readonly Task<T> _task;

        internal YieldTask(Task<T> task)
        {
            _task = task;
        }

        public override bool keepWaiting
        {
            get { return !_task.IsCompleted; }
        }

        /// <summary>What went wrong; null if nothing did, or it is not over yet.</summary>
        public Exception Error
        {
            get
            {
                return _task.IsCanceled
                    ? new StudyException("closed", "the app has stopped waiting")
                    : _task.Exception?.GetBaseException();
            }
        }

        /// <summary>The code of a StudyException, for example `participant-elsewhere`; null if there is none.</summary>
        public string ErrorCode
        {
            get { return (Error as StudyException)?.Code; }
        }

        /// <summary>The answer. Raises InvalidOperationException while there is none, and after an error.</summary>
        public T Result
        {
            get
            {
                if (_task.Status != TaskStatus.RanToCompletion)
                {
                    throw new InvalidOperationException("there is no answer: see Error", Error);
                }
                return _task.Result;
            }
        }
    }

    public static class YieldTaskExtensions
    {
        /// <summary>Something to `yield return` in a coroutine, for the moves of snapshots and FlushAsync.</summary>
        public static YieldTask<T> InCoroutine<T>(this Task<T> task)
        {
            return new YieldTask<T>(task);
        }
    }
}
