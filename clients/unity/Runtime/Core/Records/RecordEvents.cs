using System;
using System.IO;
using System.Security;

namespace ExperimentServer
{
    /// <summary>Tells the app what becomes of its records and files.</summary>
    internal sealed class RecordEvents
    {
        private readonly Events _events;
        private readonly Action<RefusedRecord> _refused;
        private readonly Action<string, StudyException> _fileRefused;
        private readonly Action<StudyException> _storageFailed;
        private readonly object _lock = new object();

        private bool _failing;

        public RecordEvents(
            Events events, Action<RefusedRecord> refused, Action<string, StudyException> fileRefused,
            Action<StudyException> storageFailed)
        {
            _events = events;
            _fileRefused = fileRefused;
            _refused = refused;
            _storageFailed = storageFailed;
        }

        public void Report(Exception error)
        {
            _events.Report(error);
        }

        public void SetAside(Record record, StudyException reason)
        {
            _events.Add(() => _refused(new RefusedRecord(record, reason)));
            _events.Raise();
        }

        public void FileSetAside(string name, StudyException reason)
        {
            _events.Add(() => _fileRefused(name, reason));
            _events.Raise();
        }

        /// <summary>Use the device's storage; whether that worked. The app is told once for all failures in a row.</summary>
        public bool TryStorage(Action use)
        {
            try
            {
                use();
                return true;
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException || error is SecurityException)
            {
                StorageFails(error);
                return false;
            }
        }

        /// <summary>What fails after this is told again.</summary>
        public void StorageWorks()
        {
            lock (_lock)
            {
                _failing = false;
            }
        }

        private void StorageFails(Exception error)
        {
            lock (_lock)
            {
                if (_failing)
                {
                    return;
                }
                _failing = true;
            }
            var told = new StudyException(
                "storage-failed",
                "records cannot be written to this device (" + error.Message + "). They are in memory until they are sent: "
                + "keep the app running, and make room on the device");
            _events.Add(() => _storageFailed(told));
            _events.Raise();
        }
    }
}
