using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// The records of one participant that wait on the device: files of this run of the app, and of runs that
    /// have ended before their records were sent.
    /// </summary>
    internal sealed class RecordStore : IDisposable
    {
        // After this size a file is continued in another, so that one of both can be deleted.
        private const int SegmentBytes = 256 * 1024;
        private const string Prefix = "records-";

        private readonly object _lock = new object();
        private readonly string _folder;
        private readonly string _run;
        private readonly HashSet<Segment> _segments = new HashSet<Segment>();

        private Segment _current;
        private int _made;
        private bool _closed;

        /// <param name="folder">The folder for what waits of the participant.</param>
        /// <param name="run">The id of this run of the queue.</param>
        public RecordStore(string folder, string run)
        {
            _folder = folder;
            _run = run;
        }

        /// <summary>The folder for what waits of a participant: another server's is another.</summary>
        public static string FolderOf(string folder, Uri server, int participant)
        {
            var host = new string(server.Host.Select(letter => char.IsLetterOrDigit(letter) || letter == '.' ? letter : '-').ToArray());
            return Path.Combine(
                folder,
                "experiment-server",
                host + "_" + server.Port.ToString(CultureInfo.InvariantCulture),
                "participant-" + participant.ToString(CultureInfo.InvariantCulture));
        }

        /// <summary>
        /// Make the folder and the first file. Raises IOException or UnauthorizedAccessException if the device has
        /// no place for them.
        /// </summary>
        public void Prepare()
        {
            lock (_lock)
            {
                Current();
            }
        }

        /// <summary>
        /// Write records, all of them or none; the operating system has them then. Raises IOException or
        /// UnauthorizedAccessException if the device has no place for them.
        /// </summary>
        public void Append(IReadOnlyCollection<Record> records)
        {
            var lines = Encoding.UTF8.GetBytes(string.Concat(records.Select(record => record.Line())));
            lock (_lock)
            {
                var segment = Current();
                segment.Append(lines);
                segment.Waiting += records.Count;
                foreach (var record in records)
                {
                    record.Segment = segment;
                }
            }
        }

        /// <summary>The records of runs that have ended, in the order of the runs.</summary>
        public List<Record> TakeOver()
        {
            var records = new List<Record>();
            if (!Directory.Exists(_folder))
            {
                return records;
            }
            var files = Directory.GetFiles(_folder, Prefix + "*.jsonl")
                .OrderBy(File.GetLastWriteTimeUtc)
                .ThenBy(path => path, StringComparer.Ordinal);
            foreach (var path in files)
            {
                var segment = Segment.Take(path);
                if (segment == null)
                {
                    continue;
                }
                var found = segment.Read();
                if (found.Count == 0)
                {
                    segment.Delete();
                    continue;
                }
                lock (_lock)
                {
                    if (_closed)
                    {
                        segment.Dispose();
                        return records;
                    }
                    _segments.Add(segment);
                }
                records.AddRange(found);
            }
            return records;
        }

        /// <summary>These need not be kept any more: the server has them. Files that have no others are deleted.</summary>
        public void Forget(IEnumerable<Record> records)
        {
            var done = new List<Segment>();
            lock (_lock)
            {
                if (_closed)
                {
                    return;
                }
                foreach (var segment in records.Select(record => record.Segment).Where(segment => segment != null))
                {
                    segment.Waiting--;
                    if (segment.Waiting > 0)
                    {
                        continue;
                    }
                    if (segment == _current)
                    {
                        segment.Clear();
                    }
                    else
                    {
                        _segments.Remove(segment);
                        done.Add(segment);
                    }
                }
            }
            done.ForEach(segment => segment.Delete());
        }

        /// <summary>
        /// Keep a record that the server will never accept in a file beside the others, with the reason. Raises
        /// IOException or UnauthorizedAccessException if there is no place; the record stays where it is then.
        /// </summary>
        public void SetAside(Record record, StudyException reason)
        {
            var line = "{\"code\":" + Json.Write(new JValue(reason.Code)) + ",\"message\":" + Json.Write(new JValue(reason.Message))
                + ",\"table\":\"" + record.Table + "\",\"record\":" + record.Sent(null) + "}\n";
            Directory.CreateDirectory(_folder);
            File.AppendAllText(Path.Combine(_folder, "set-aside-" + _run + ".jsonl"), line, new UTF8Encoding(false));
            Forget(new[] { record });
        }

        /// <summary>Leave the files to the next run.</summary>
        public void Dispose()
        {
            lock (_lock)
            {
                _closed = true;
                foreach (var segment in _segments)
                {
                    if (segment.Waiting == 0)
                    {
                        segment.Delete();
                    }
                    segment.Dispose();
                }
                _segments.Clear();
                _current = null;
            }
        }

        private string NextPath()
        {
            _made++;
            return Path.Combine(_folder, Prefix + _run + "-" + _made.ToString("D4", CultureInfo.InvariantCulture) + ".jsonl");
        }

        /// <summary>To be called under the lock: the file for the next records.</summary>
        private Segment Current()
        {
            if (_closed)
            {
                throw new IOException("the records' files are closed");
            }
            if (_current == null || _current.Length >= SegmentBytes)
            {
                Directory.CreateDirectory(_folder);
                _current = Segment.Make(NextPath);
                _segments.Add(_current);
            }
            return _current;
        }
    }
}
