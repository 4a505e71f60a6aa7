using System;
using System.Globalization;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>One object of results that the app has recorded, with the context of its recording.</summary>
    internal sealed class Record
    {
        private const string DataMember = ",\"data\":";

        // What a record has on the wire beside its data, at most.
        private const int HeadBytes = 256;

        public readonly string Table;

        /// <summary>Identifies the record everywhere: however often it is sent, the server keeps it once.</summary>
        public readonly string Id;

        public readonly int BlockId;
        public readonly long Revision;

        /// <summary>Its size as a part of a batch, in bytes, at most.</summary>
        public readonly int Bytes;

        private readonly string _recordedAt;
        private readonly string _data;
        private readonly double? _clockOffset;

        /// <param name="table">The table of results.</param>
        /// <param name="id">Unique among all records of all runs.</param>
        /// <param name="blockId">The block in which it was recorded.</param>
        /// <param name="revision">The revision of the snapshot with which that block began for the app.</param>
        /// <param name="recordedAt">The time by this device's clock, ISO 8601 in UTC.</param>
        /// <param name="data">The JSON text of an object.</param>
        /// <param name="clockOffset">Milliseconds from this device's clock to the server's; null if unknown.</param>
        public Record(
            string table, string id, int blockId, long revision, string recordedAt, string data, double? clockOffset)
        {
            Table = table;
            Id = id;
            BlockId = blockId;
            Revision = revision;
            _recordedAt = recordedAt;
            _data = data;
            _clockOffset = clockOffset;
            Bytes = HeadBytes + Encoding.UTF8.GetByteCount(data);
        }

        /// <summary>The file in which it waits; null while it is in memory only.</summary>
        public Segment Segment { get; set; }

        /// <summary>Whether this run of the queue made it. The clock may have been set since an earlier run.</summary>
        public bool IsOfThisRun { get; private set; }

        public JObject Data
        {
            get { return (JObject)Json.Read(_data); }
        }

        public static Record Now(string table, string id, Snapshot block, string data, double? clockOffset)
        {
            var now = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            return new Record(table, id, block.BlockId, block.BeganRevision, now, data, clockOffset) { IsOfThisRun = true };
        }

        /// <summary>The record as the server gets it, in JSON.</summary>
        /// <param name="clockOffset">For a record that was made before the offset was known.</param>
        public string Sent(double? clockOffset)
        {
            var head = new JObject
            {
                { "record_id", Id },
                { "block_id", BlockId },
                { "revision", Revision },
                { "recorded_at", _recordedAt }
            };
            var offset = _clockOffset ?? (IsOfThisRun ? clockOffset : null);
            if (offset.HasValue)
            {
                head["clock_offset_ms"] = offset.Value;
            }
            var text = Json.Write(head);
            return text.Substring(0, text.Length - 1) + DataMember + _data + "}";
        }

        /// <summary>The record as a line of a file on the device.</summary>
        public string Line()
        {
            return "{\"table\":\"" + Table + "\",\"record\":" + Sent(null) + "}\n";
        }

        /// <summary>Read a line; null if it is no record, as the last one of an app that was killed may be.</summary>
        public static Record Read(string line)
        {
            try
            {
                var said = Json.Read(line);
                var record = Json.Member(said, "record");
                // Its text as it was written: a number that is read and written again may differ.
                var data = line.IndexOf(DataMember, StringComparison.Ordinal) + DataMember.Length;
                var offset = Json.Member(record, "clock_offset_ms");
                if (!(Json.Member(record, "data") is JObject))
                {
                    return null;
                }
                return new Record(
                    Json.Text(said, "table"),
                    Json.Text(record, "record_id"),
                    (int)record["block_id"],
                    (long)record["revision"],
                    Json.Text(record, "recorded_at"),
                    line.TrimEnd().Substring(data, line.TrimEnd().Length - data - 2),
                    offset == null ? null : (double?)offset);
            }
            catch (Exception error) when (error is JsonException || error is ArgumentException || error is FormatException || error is OverflowException || error is InvalidCastException)
            {
                return null;
            }
        }
    }
}
