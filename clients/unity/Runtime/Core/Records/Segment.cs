using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace ExperimentServer
{
    /// <summary>
    /// A file of records that wait on the device, a line of JSON each. One app at a time has it: a lock of the
    /// operating system, which ends with the app, keeps others from taking it for a dead app's.
    /// </summary>
    internal sealed class Segment : IDisposable
    {
        // A byte that no file gets to, as where locks bind everybody the content has to stay readable; and that
        // systems of 32 bits can name.
        private const long Locked = 1 << 30;

        // What this process has open: locks of the operating system are between processes.
        private static readonly HashSet<string> Held = new HashSet<string>();

        private static volatile bool _locksFail;

        private readonly FileStream _file;

        private Segment(string path, FileStream file)
        {
            Path = path;
            _file = file;
        }

        public string Path { get; }

        /// <summary>The number of its records that still wait.</summary>
        public int Waiting { get; set; }

        /// <summary>The number of bytes that were written by this app.</summary>
        public long Length { get; private set; }

        /// <summary>Have a new file; raises IOException or UnauthorizedAccessException if that is not possible.</summary>
        /// <param name="next">Its path, another one each time.</param>
        public static Segment Make(Func<string> next)
        {
            for (var attempt = 1; attempt <= 3; attempt++)
            {
                var path = next();
                var segment = Open(path, FileMode.CreateNew);
                if (segment != null && File.Exists(path))
                {
                    return segment;
                }
                // Another app has just taken it for a dead one's. Twice in a row it is no other app.
                segment?.Dispose();
                _locksFail = attempt == 2;
            }
            throw new IOException("no file of records could be kept");
        }

        /// <summary>Have the file of an app that has ended; null if the app runs, or another has it.</summary>
        public static Segment Take(string path)
        {
            return Open(path, FileMode.Open);
        }

        /// <summary>Add lines, all of them or none, and hand them over to the operating system.</summary>
        public void Append(byte[] lines)
        {
            // Not at the end of the file, which may be a part of lines for which there was no room.
            _file.Seek(Length, SeekOrigin.Begin);
            _file.Write(lines, 0, lines.Length);
            _file.Flush();
            Length += lines.Length;
        }

        public void Clear()
        {
            _file.SetLength(0);
            Length = 0;
        }

        /// <summary>The records in it. A last line that was not written to its end is none.</summary>
        public List<Record> Read()
        {
            var records = new List<Record>();
            _file.Seek(0, SeekOrigin.Begin);
            // Not disposed of: the file stays open.
            var reader = new StreamReader(_file, new UTF8Encoding(false));
            string line;
            while ((line = reader.ReadLine()) != null)
            {
                var record = Record.Read(line);
                if (record != null)
                {
                    record.Segment = this;
                    records.Add(record);
                }
            }
            Waiting = records.Count;
            return records;
        }

        public void Delete()
        {
            Dispose();
            File.Delete(Path);
        }

        public void Dispose()
        {
            _file.Dispose();
            lock (Held)
            {
                Held.Remove(Path);
            }
        }

        private static Segment Open(string path, FileMode mode)
        {
            lock (Held)
            {
                if (!Held.Add(path))
                {
                    return null;
                }
            }
            FileStream file = null;
            Segment segment = null;
            try
            {
                // Unbuffered: what is written is with the operating system.
                file = new FileStream(path, mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1);
                segment = TryLock(file) ? new Segment(path, file) : null;
                return segment;
            }
            catch (FileNotFoundException)
            {
                return null;
            }
            finally
            {
                if (segment == null)
                {
                    file?.Dispose();
                    lock (Held)
                    {
                        Held.Remove(path);
                    }
                }
            }
        }

        private static bool TryLock(FileStream file)
        {
            if (_locksFail)
            {
                return true;
            }
            try
            {
                file.Lock(Locked, 1);
                return true;
            }
            catch (IOException)
            {
                return false;
            }
            catch (NotSupportedException)
            {
                // Where there are no locks, a folder belongs to one app, as on Android.
                return true;
            }
        }
    }
}
