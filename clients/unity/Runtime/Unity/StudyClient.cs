using System;
using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;
using UnityEngine;

namespace ExperimentServer
{
    /// <summary>
    /// Takes part in a study. Put it on one object of the scene, say where the server is, and let
    /// Block Changed call the method that shows a block. All events come on Unity's main thread.
    /// </summary>
    [AddComponentMenu("Experiment Server/Study Client")]
    [DisallowMultipleComponent]
    public sealed partial class StudyClient : MonoBehaviour
    {
        [Tooltip("Where the server is, as it says at its start.")]
        [SerializeField]
        private string serverUrl = "http://127.0.0.1:5000";

        [Tooltip("Whom this app takes part as. 0 is whom the token names, or the server's default participant.")]
        [Min(0)]
        [SerializeField]
        private int participant;

        [Tooltip("What lets the app in, if the server asks for tokens: experiment-server link gives one.")]
        [SerializeField]
        private string token = "";

        [Tooltip("Connect as soon as the scene starts. Without it, call Connect, for example after a menu has set Participant.")]
        [SerializeField]
        private bool connectOnStart = true;

        [Tooltip("Let the command line, Android's intent and PlayerPrefs say the three above: one build for all headsets.")]
        [SerializeField]
        private bool identityFromDevice = true;

        [Tooltip("Stay connected when another scene is loaded. A second client that a scene brings along works as this one.")]
        [SerializeField]
        private bool keepAcrossScenes = true;

        [Tooltip("The participant is in another block, or in the same one anew: also at the start, and after the last one.")]
        [SerializeField]
        private SnapshotEvent blockChanged = new SnapshotEvent();

        [Tooltip("The experimenter has changed the config of the current block.")]
        [SerializeField]
        private SnapshotEvent configChanged = new SnapshotEvent();

        [Tooltip("The participant is past the last block.")]
        [SerializeField]
        private SnapshotEvent ended = new SnapshotEvent();

        [Tooltip("The server is reached in another way, or is out of reach.")]
        [SerializeField]
        private ConnectionEvent connectionChanged = new ConnectionEvent();

        [Tooltip("The server does not let this app in; the code says why.")]
        [SerializeField]
        private RefusalEvent refused = new RefusalEvent();

        [Tooltip("The server will never accept a record: it stays on the device, beside the others.")]
        [SerializeField]
        private RefusedRecordEvent recordRefused = new RefusedRecordEvent();

        [Tooltip("Records cannot be written to the device: they are in memory until they are sent.")]
        [SerializeField]
        private RefusalEvent storageFailed = new RefusalEvent();

        private readonly ConcurrentQueue<Action> _happened = new ConcurrentQueue<Action>();
        private Study _study;
        private CancellationTokenSource _stop;
        private Snapshot _shown;
        private StudyException _misread;

        /// <summary>Where the server is. To be set before Connect.</summary>
        public string ServerUrl
        {
            get { return Leader.serverUrl; }
            set { Leader.serverUrl = value; }
        }

        /// <summary>Whom the app takes part as, 0 for whom the token names. To be set before Connect.</summary>
        public int Participant
        {
            get { return Leader.participant; }
            set
            {
                Leader._misread = null;
                Leader.participant = value;
            }
        }

        /// <summary>What lets the app in. To be set before Connect.</summary>
        public string Token
        {
            get { return Leader.token; }
            set { Leader.token = value; }
        }

        /// <summary>Whether Start connects. To be set before it, for clients that scripts make.</summary>
        public bool ConnectOnStart
        {
            get { return connectOnStart; }
            set { connectOnStart = value; }
        }

        /// <summary>Where the participant is, as the app was told last; null until the server has said it.</summary>
        public Snapshot Snapshot
        {
            get { return Taking == null ? null : Taking.Snapshot; }
        }

        /// <summary>How the server is reached.</summary>
        public Connection Connection
        {
            get { return Taking == null ? Connection.None : Taking.Connection; }
        }

        /// <summary>
        /// The current block's config as a class of yours; null outside a block. Raises StudyException
        /// (`config-mismatch`) if a value does not fit.
        /// </summary>
        public T GetConfig<T>()
            where T : class, new()
        {
            var snapshot = Snapshot;
            return snapshot == null ? null : snapshot.GetConfig<T>();
        }

        /// <summary>Take part, as the fields say. Whoever took part before does no longer.</summary>
        public void Connect()
        {
            if (Leader != this)
            {
                Leader.Connect();
                return;
            }
            Disconnect();
            if (_misread != null)
            {
                Refuse(_misread);
                return;
            }
            var stop = new CancellationTokenSource();
            _stop = stop;
            var options = new Options
            {
                Url = serverUrl,
                Participant = participant == 0 ? (int?)null : participant,
                Token = token,
                Storage = Application.persistentDataPath,
                Dispatch = happened => _happened.Enqueue(() =>
                {
                    // What still comes from before a Disconnect is nobody's.
                    if (!stop.IsCancellationRequested)
                    {
                        happened();
                    }
                }),
                Problem = problem => Debug.LogException(problem, this)
            };
            Study.ConnectAsync(options, Listen, stop.Token).ContinueWith(
                done => _happened.Enqueue(() => Connected(done, stop)), TaskScheduler.Default);
        }

        /// <summary>Take part no longer. Moves that wait fail with the code `closed`.</summary>
        public void Disconnect()
        {
            if (Leader != this)
            {
                Leader.Disconnect();
                return;
            }
            _shown = null;
            if (_stop != null)
            {
                _stop.Cancel();
                _stop = null;
            }
            if (_study != null)
            {
                _study.Dispose();
                _study = null;
            }
        }

        private void Awake()
        {
            if (identityFromDevice)
            {
                ReadIdentity();
            }
            if (keepAcrossScenes)
            {
                Keep();
            }
        }

        private void Start()
        {
            if (_first != null)
            {
                Join();
            }
            else if (connectOnStart)
            {
                Connect();
            }
        }

        private void Update()
        {
            while (_happened.TryDequeue(out var happened))
            {
                happened();
            }
        }

        private void OnApplicationPause(bool paused)
        {
            if (!paused && _study != null)
            {
                _study.Reconnect();
            }
        }

        private void OnDestroy()
        {
            if (_first != null)
            {
                Leave();
                return;
            }
            if (_kept == this)
            {
                _kept = null;
            }
            Disconnect();
        }

        private void ReadIdentity()
        {
            serverUrl = StudyIdentity.Read(StudyIdentity.Server) ?? serverUrl;
            token = StudyIdentity.Read(StudyIdentity.Token) ?? token;
            try
            {
                participant = StudyIdentity.ReadParticipant() ?? participant;
            }
            catch (StudyException error)
            {
                _misread = error;
            }
        }

        private void Connected(Task<Study> done, CancellationTokenSource stop)
        {
            if (stop.IsCancellationRequested || !done.IsFaulted)
            {
                return;
            }
            var error = done.Exception.GetBaseException();
            var refusal = error as StudyException;
            Disconnect();
            if (refusal == null)
            {
                Debug.LogException(error, this);
                return;
            }
            Refuse(refusal);
        }

        private void Refuse(StudyException refusal)
        {
            Debug.LogError("Not let in: " + refusal.Message, this);
            refused.Invoke(refusal.Code);
        }
    }
}
