using System;

namespace ExperimentServer
{
    /// <summary>The server said no, or cannot be asked.</summary>
    public sealed class StudyException : Exception
    {
        /// <summary>What happened, in a word that never changes once released.</summary>
        public string Code { get; }

        public StudyException(string code, string message)
            : base(message)
        {
            Code = code;
        }
    }
}
