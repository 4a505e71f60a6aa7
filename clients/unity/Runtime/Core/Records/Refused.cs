using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>A record that the server will never accept. It stays on the device, beside the others.</summary>
    public sealed class RefusedRecord
    {
        internal RefusedRecord(Record record, StudyException reason)
        {
            Table = record.Table;
            RecordId = record.Id;
            Data = record.Data;
            Reason = reason;
        }

        public string Table { get; }

        public string RecordId { get; }

        /// <summary>The recorded values.</summary>
        public JObject Data { get; }

        /// <summary>Why the server refuses it: `record-invalid`, `record-too-large`, `record-conflict`.</summary>
        public StudyException Reason { get; }
    }

    /// <summary>A file that the server will never accept. It stays on the device.</summary>
    public sealed class RefusedFile
    {
        internal RefusedFile(string name, StudyException reason)
        {
            Name = name;
            Reason = reason;
        }

        public string Name { get; }

        /// <summary>Why the server refuses it, for example `file-too-large`.</summary>
        public StudyException Reason { get; }
    }
}
