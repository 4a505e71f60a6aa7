using System;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>The server said no, or cannot be asked.</summary>
    public sealed class StudyException : Exception
    {
        private static readonly HashSet<string> NotLetIn = new HashSet<string>
        {
            "token-invalid", "token-missing", "not-allowed", "participant-unknown",
            "expansion-failed"
        };

        // What could not be made durable, or came too fast.
        private static readonly HashSet<string> Later = new HashSet<string>
        {
            "store-unavailable", "limit-reached", "internal-error"
        };

        /// <summary>What happened, in a word that never changes once released.</summary>
        public string Code { get; }

        public StudyException(string code, string message)
            : base(message)
        {
            Code = code;
        }

        /// <summary>The record that is refused; null if it is about none.</summary>
        internal string RecordId { get; private set; }

        /// <summary>What the server answers with; `words` is the member that says why.</summary>
        internal static StudyException Of(JToken error, string words)
        {
            return new StudyException(
                Json.Text(error, "code") ?? "internal-error", Json.Text(error, words) ?? "the server gave no reason")
            {
                RecordId = Json.Text(error, "record_id")
            };
        }

        internal static StudyException NotReady()
        {
            return new StudyException("not-ready", "the server has not said yet where the participant is");
        }

        internal static StudyException Closed()
        {
            return new StudyException("closed", "the app has stopped taking part");
        }

        /// <summary>Whether the server does not let this app in, whatever it asks for.</summary>
        internal bool IsNotLetIn
        {
            get { return NotLetIn.Contains(Code); }
        }

        /// <summary>Whether the same request may work later.</summary>
        internal bool MayWorkLater
        {
            get { return Later.Contains(Code); }
        }
    }
}
