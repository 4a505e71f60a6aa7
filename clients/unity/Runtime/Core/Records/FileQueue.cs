using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace ExperimentServer
{
    /// <summary>
    /// Files on their way: written to the device in the background, sent one after the other, and again until the
    /// server has answered. The server keeps the same content under a name once.
    /// </summary>
    internal sealed class FileQueue
    {
        /// <summary>The size of a file, in bytes, up to which the server takes it whole.</summary>
        public const int MaxBytes = 32 * 1024 * 1024;

        private static readonly HashSet<string> Never = new HashSet<string>
        {
            "file-too-large", "file-conflict", "file-hash-wrong", "parameter-invalid"
        };

        private readonly object _lock = new object();
        private readonly List<WaitingFile> _waiting = new List<WaitingFile>();
        private readonly Signal _changed = new Signal();
        private readonly string _run = Guid.NewGuid().ToString("N");
        private readonly Transport _transport;
        private readonly Background _background;
        private readonly RecordEvents _events;
        private readonly Func<int, string> _folderOf;
        private readonly SendLoop<WaitingFile> _sending;

        private string _folder;
        private int _participant;
        private int _made;
        private int _writing;
        private bool _opened;

        /// <param name="transport">The way to the server.</param>
        /// <param name="background">Runs the writing and the sending.</param>
        /// <param name="events">Tell the app what becomes of files.</param>
        /// <param name="folderOf">The folder for what waits of a participant; null is none.</param>
        public FileQueue(Transport transport, Background background, RecordEvents events, Func<int, string> folderOf)
        {
            _transport = transport;
            _background = background;
            _events = events;
            _folderOf = folderOf;
            _sending = new SendLoop<WaitingFile>(transport, background, events, Next, SendAsync, SetAside);
        }

        /// <summary>The number of files that the server has not got yet.</summary>
        public int Unsent
        {
            get { lock (_lock) { return _waiting.Count; } }
        }

        /// <summary>Send a file; returns at once. Raises StudyException for what no server would take.</summary>
        public void Add(string name, byte[] content)
        {
            if (content == null || name == null || name.Split('/').Any(part => part.Trim(' ', '.').Length == 0))
            {
                throw new StudyException(
                    "file-invalid", "a file has a content and a name like \"trackers/head.csv\", and not \"" + name + "\"");
            }
            if (content.Length > MaxBytes)
            {
                throw new StudyException(
                    "file-too-large", name + " has " + content.Length + " bytes; a file has at most " + MaxBytes);
            }
            var file = WaitingFile.Of(name, content);
            string id;
            lock (_lock)
            {
                if (!_opened)
                {
                    throw StudyException.NotReady();
                }
                _waiting.Add(file);
                _made++;
                _writing++;
                id = _run + "-" + _made.ToString("D6", CultureInfo.InvariantCulture);
            }
            _background.Run(() =>
            {
                if (_folder != null && _events.TryStorage(() => file.Write(_folder, id)))
                {
                    _events.StorageWorks();
                }
                lock (_lock)
                {
                    _writing--;
                    Monitor.PulseAll(_lock);
                }
                _sending.Send();
                return Task.CompletedTask;
            });
        }

        /// <summary>The server is reached, and the participant known.</summary>
        public void Reached(int participant)
        {
            lock (_lock)
            {
                if (!_opened)
                {
                    _opened = true;
                    _participant = participant;
                    var folder = _folderOf(participant);
                    _folder = folder == null ? null : Path.Combine(folder, "files");
                    _events.TryStorage(TakeOver);
                }
            }
            _sending.Reached();
        }

        /// <summary>Block until no file is only in memory; whether that came about within the time.</summary>
        public bool WaitForStorage(TimeSpan within)
        {
            var watch = Stopwatch.StartNew();
            lock (_lock)
            {
                while (_writing > 0)
                {
                    var rest = within - watch.Elapsed;
                    if (rest <= TimeSpan.Zero || !Monitor.Wait(_lock, rest))
                    {
                        return false;
                    }
                }
                return true;
            }
        }

        /// <summary>Wait until none waits; whether that came about before `late`.</summary>
        public Task<bool> SettledAsync(Task late)
        {
            return _changed.UntilAsync(() => Unsent == 0, late);
        }

        private void TakeOver()
        {
            foreach (var path in _folder == null ? new string[0] : WaitingFile.In(_folder))
            {
                var file = WaitingFile.Open(path);
                if (file != null)
                {
                    _waiting.Add(file);
                }
            }
        }

        /// <summary>A file that is being written is not sent: one of both would delete it.</summary>
        private WaitingFile Next()
        {
            lock (_lock)
            {
                return _writing == 0 ? _waiting.FirstOrDefault() : null;
            }
        }

        private async Task SendAsync(WaitingFile file)
        {
            try
            {
                await _transport.PutFileAsync(_participant, file.Name, file.Read()).ConfigureAwait(false);
            }
            catch (Exception error) when (error is FileNotFoundException || error is DirectoryNotFoundException)
            {
                // Another app of the participant has sent it, or somebody has deleted it.
                Done(file, () => { });
                return;
            }
            Done(file, file.Delete);
        }

        private bool SetAside(WaitingFile file, StudyException refusal)
        {
            if (!Never.Contains(refusal.Code))
            {
                return false;
            }
            Done(file, file.SetAside);
            _events.FileSetAside(file.Name, refusal);
            return true;
        }

        private void Done(WaitingFile file, Action onDevice)
        {
            _events.TryStorage(onDevice);
            lock (_lock)
            {
                _waiting.Remove(file);
            }
            _changed.Raise();
        }
    }
}
