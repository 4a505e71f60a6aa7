using System;
using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;
using UnityEngine;
using UnityEngine.Events;

namespace ExperimentServer
{
    /// <summary>
    /// Takes part in a study. Put it on one object of the scene, say where the server is, and let
    /// Block Changed call the method that shows a block. All events come on Unity's main thread.
    /// </summary>
    [AddComponentMenu("Experiment Server/Study Client")]
    [DisallowMultipleComponent]
    public sealed class StudyClient : MonoBehaviour
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

        [Tooltip("Stay connected when another scene is loaded.")]
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

        private readonly ConcurrentQueue<Action> _happened = new ConcurrentQueue<Action>();
        private Study _study;
        private CancellationTokenSource _stop;

        /// <summary>Where the server is. To be set before Connect.</summary>
        public string ServerUrl
        {
            get { return serverUrl; }
            set { serverUrl = value; }
        }

        /// <summary>Whom the app takes part as, 0 for whom the token names. To be set before Connect.</summary>
        public int Participant
        {
            get { return participant; }
            set { participant = value; }
        }

        /// <summary>What lets the app in. To be set before Connect.</summary>
        public string Token
        {
            get { return token; }
            set { token = value; }
        }

        /// <summary>Whether Start connects. To be set before it, for clients that scripts make.</summary>
        public bool ConnectOnStart
        {
            get { return connectOnStart; }
            set { connectOnStart = value; }
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

        /// <summary>Where the participant is, as the app was told last; null until the server has said it.</summary>
        public Snapshot Snapshot
        {
            get { return _study == null ? null : _study.Snapshot; }
        }

        /// <summary>How the server is reached.</summary>
        public Connection Connection
        {
            get { return _study == null ? Connection.None : _study.Connection; }
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
            Disconnect();
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

        /// <summary>
        /// One block on from the one that Block Changed told of last. For buttons and other events; a refusal
        /// is logged.
        /// </summary>
        public void Next()
        {
            Log(NextAsync());
        }

        /// <summary>
        /// One block on from this very one: for what takes a while, as its results do on their way. If the
        /// participant has been moved meanwhile, they stay there, and that is logged.
        /// </summary>
        public void Next(Snapshot block)
        {
            Log(block.NextAsync());
        }

        /// <summary>One block back.</summary>
        public void Previous()
        {
            Log(PreviousAsync());
        }

        /// <summary>To a block by its place in the participant's order, from 0.</summary>
        public void GoTo(int blockId)
        {
            Log(GoToAsync(blockId));
        }

        /// <summary>
        /// One block on from the one that Block Changed told of last; the answer is where the participant is
        /// then. A snapshot's own NextAsync means its block.
        /// </summary>
        /// <remarks>Without a connection moves wait, sixteen at most. Raises StudyException.</remarks>
        public Task<Snapshot> NextAsync()
        {
            return _study == null ? NotTakingPart() : _study.NextAsync();
        }

        /// <summary>One block back, as NextAsync.</summary>
        public Task<Snapshot> PreviousAsync()
        {
            return _study == null ? NotTakingPart() : _study.PreviousAsync();
        }

        /// <summary>To a block by its place in the participant's order, as NextAsync.</summary>
        public Task<Snapshot> GoToAsync(int blockId)
        {
            return _study == null ? NotTakingPart() : _study.GoToAsync(blockId);
        }

        private void Awake()
        {
            if (keepAcrossScenes)
            {
                DontDestroyOnLoad(gameObject);
            }
        }

        private void Start()
        {
            if (connectOnStart)
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
            Disconnect();
        }

        private void Listen(Study study)
        {
            _study = study;
            study.BlockChanged += blockChanged.Invoke;
            study.ConfigChanged += configChanged.Invoke;
            study.Ended += ended.Invoke;
            study.ConnectionChanged += connectionChanged.Invoke;
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
            Debug.LogError("Not let in: " + refusal.Message, this);
            refused.Invoke(refusal.Code);
        }

        private static Task<Snapshot> NotTakingPart()
        {
            var answer = new TaskCompletionSource<Snapshot>();
            answer.SetException(new StudyException("not-connected", "call Connect first"));
            return answer.Task;
        }

        private void Log(Task<Snapshot> move)
        {
            move.ContinueWith(
                refusal => _happened.Enqueue(() => Debug.LogWarning("No move: " + refusal.Exception.GetBaseException().Message, this)),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted,
                TaskScheduler.Default);
        }
    }
}
