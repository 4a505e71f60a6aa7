using System;
using UnityEngine;
using UnityEngine.Events;

namespace ExperimentServer
{
    /// <summary>What the client tells: the events that the Inspector shows, raised on Unity's main thread.</summary>
    public sealed partial class StudyClient
    {
        [Serializable]
        public sealed class SnapshotEvent : UnityEvent<Snapshot>
        {
        }

        [Serializable]
        public sealed class ConnectionEvent : UnityEvent<Connection>
        {
        }

        [Serializable]
        public sealed class RefusalEvent : UnityEvent<string>
        {
        }

        [Serializable]
        public sealed class RefusedRecordEvent : UnityEvent<RefusedRecord>
        {
        }

        public SnapshotEvent BlockChanged
        {
            get { return blockChanged; }
        }

        public SnapshotEvent ConfigChanged
        {
            get { return configChanged; }
        }

        public SnapshotEvent Ended
        {
            get { return ended; }
        }

        public ConnectionEvent ConnectionChanged
        {
            get { return connectionChanged; }
        }

        public RefusalEvent Refused
        {
            get { return refused; }
        }

        public RefusedRecordEvent RecordRefused
        {
            get { return recordRefused; }
        }

        public RefusalEvent StorageFailed
        {
            get { return storageFailed; }
        }

        private void Listen(Study study)
        {
            _study = study;
            study.BlockChanged += shown =>
            {
                _shown = shown;
                blockChanged.Invoke(shown);
            };
            study.ConfigChanged += shown =>
            {
                _shown = shown;
                configChanged.Invoke(shown);
            };
            study.Ended += ended.Invoke;
            study.ConnectionChanged += connectionChanged.Invoke;
            study.RecordRefused += RefuseRecord;
            study.FileRefused += file => Debug.LogWarning("The file " + file.Name + " is set aside: " + file.Reason.Message, this);
            study.StorageFailed += FailStorage;
        }

        private void RefuseRecord(RefusedRecord record)
        {
            Debug.LogWarning("A record of " + record.Table + " is set aside: " + record.Reason.Message, this);
            recordRefused.Invoke(record);
        }

        private void FailStorage(StudyException failure)
        {
            Debug.LogWarning(failure.Message, this);
            storageFailed.Invoke(failure.Message);
        }
    }
}
