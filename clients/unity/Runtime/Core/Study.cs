using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// A participant's place in a study, kept right over whatever way there is. What it does is what
    /// every client does, and is written down in clients/README.md.
    /// </summary>
    public sealed class Study : IDisposable
    {
        /// <summary>Moves that wait for a connection.</summary>
        public const int MovesWaiting = MoveQueue.Limit;

        private readonly CancellationTokenSource _closing = new CancellationTokenSource();
        private readonly TaskCompletionSource<Snapshot> _ready =
            new TaskCompletionSource<Snapshot>(TaskCreationOptions.RunContinuationsAsynchronously);

        private readonly Background _background;
        private readonly Snapshots _snapshots;
        private readonly Transport _transport;
        private readonly MoveQueue _moves;
        private readonly RecordQueue _records;
        private readonly FileQueue _files;

        private Study(Options options)
        {
            var server = ServerAddress.Parse(options.Url);
            if (options.Participant < 1)
            {
                throw new StudyException(
                    "participant-invalid",
                    "participants are numbers, 1 or more, and not " + options.Participant + "; null is whom the token names");
            }
            var token = string.IsNullOrEmpty(options.Token) ? null : options.Token;
            var events = new Events(options.Dispatch, options.Problem);
            _background = new Background(events, _closing.Token);
            _snapshots = new Snapshots(
                events,
                snapshot => events.Call(BlockChanged, snapshot),
                snapshot => events.Call(ConfigChanged, snapshot),
                snapshot => events.Call(Ended, snapshot));
            _transport = new Transport(server, options.Participant, token, _snapshots, _background, events);
            _transport.Changed += connection => events.Call(ConnectionChanged, connection);
            _transport.Reached += Reached;
            _transport.Refused += Refused;
            _moves = new MoveQueue(_snapshots, _transport, _background, events);
            var recording = new RecordEvents(
                events,
                refused => RaiseOrReport(events, RecordRefused, refused, refused.Reason),
                (name, reason) => RaiseOrReport(events, FileRefused, new RefusedFile(name, reason), reason),
                failure => RaiseOrReport(events, StorageFailed, failure, failure));
            var storage = options.Storage;
            Func<int, string> folderOf = participant =>
                string.IsNullOrEmpty(storage) ? null : RecordStore.FolderOf(storage, server, participant);
            _records = new RecordQueue(_transport, _background, recording, folderOf);
            _files = new FileQueue(_transport, _background, recording, folderOf);
            _snapshots.Moves = _moves;
            _snapshots.Records = _records;
        }

        /// <summary>The participant is in another block, in one for the first time, or in the same one anew.</summary>
        public event Action<Snapshot> BlockChanged;

        /// <summary>The same block has another config.</summary>
        public event Action<Snapshot> ConfigChanged;

        /// <summary>The participant is past the last block.</summary>
        public event Action<Snapshot> Ended;

        /// <summary>The server is reached in another way, or is out of reach.</summary>
        public event Action<Connection> ConnectionChanged;

        /// <summary>
        /// The server will never accept a record: it is set aside on the device, and the others are sent. Without a
        /// listener Options.Problem gets the reason.
        /// </summary>
        public event Action<RefusedRecord> RecordRefused;

        /// <summary>
        /// The server will never accept a file: it is set aside on the device, and the others are sent. Without a
        /// listener Options.Problem gets the reason.
        /// </summary>
        public event Action<RefusedFile> FileRefused;

        /// <summary>
        /// Records cannot be written to the device (`storage-failed`): they are in memory until they are sent.
        /// Raised once for all failures in a row. Without a listener Options.Problem gets it.
        /// </summary>
        public event Action<StudyException> StorageFailed;

        /// <summary>The number of records that wait on the device.</summary>
        public int Unsent
        {
            get { return _records.Unsent; }
        }

        /// <summary>Where the participant is, as the app was told last, by an event or by a move's answer.</summary>
        public Snapshot Snapshot
        {
            get { return _snapshots.Told; }
        }

        /// <summary>How the server is reached.</summary>
        public Connection Connection
        {
            get { return _transport.Connection; }
        }

        /// <summary>
        /// Take part. Ends when the participant's state is known; a server that does not answer is
        /// waited for. Raises StudyException when the server refuses (`token-invalid`,
        /// `token-missing`, `not-allowed`, `participant-unknown`, `expansion-failed`), for an address that is none
        /// (`address-invalid`), a participant that can be none (`participant-invalid`), and when `listen`
        /// or a listener disposes of the study meanwhile (`closed`); OperationCanceledException when
        /// `stop` is.
        /// </summary>
        /// <param name="options">Whom to take part as, and where.</param>
        /// <param name="listen">Called before anything can happen: the place to add listeners.</param>
        /// <param name="stop">Gives up.</param>
        public static async Task<Study> ConnectAsync(
            Options options, Action<Study> listen = null, CancellationToken stop = default(CancellationToken))
        {
            var study = new Study(options);
            try
            {
                if (listen != null)
                {
                    listen(study);
                }
                study._transport.Start();
                using (stop.Register(() => study._ready.TrySetCanceled()))
                {
                    study._snapshots.Tell(await study._ready.Task.ConfigureAwait(false));
                }
            }
            catch
            {
                await study.CloseAsync().ConfigureAwait(false);
                throw;
            }
            return study;
        }

        /// <summary>
        /// One block on from the block that the app was told of last; the answer is where they are then.
        /// Fails with `participant-elsewhere` if somebody has moved them meanwhile: the app hears of that,
        /// and nothing is skipped.
        /// </summary>
        public Task<Snapshot> NextAsync()
        {
            return _moves.Ask(Move.Next);
        }

        /// <summary>One block back, as NextAsync.</summary>
        public Task<Snapshot> PreviousAsync()
        {
            return _moves.Ask(Move.Previous);
        }

        /// <summary>To a block by its place in the participant's order, from 0.</summary>
        public Task<Snapshot> GoToAsync(int blockId)
        {
            return _moves.Ask(_ => Move.To(blockId));
        }

        /// <summary>Record values in the block that the app was told of last, as Snapshot.Record.</summary>
        public void Record(IEnumerable<KeyValuePair<string, object>> values)
        {
            _records.Add(Snapshot.DefaultTable, values, _snapshots.Told);
        }

        /// <summary>Record values in a table, in the block that the app was told of last.</summary>
        public void Record(string table, IEnumerable<KeyValuePair<string, object>> values)
        {
            _records.Add(table, values, _snapshots.Told);
        }

        /// <summary>Record a JSON object in a table, in the block that the app was told of last.</summary>
        public void Record(string table, JObject data)
        {
            _records.Add(table, RecordValues.Of(data), _snapshots.Told);
        }

        /// <summary>
        /// Send a file, for what is no record: recordings, samples of trackers. Returns at once; the file is written
        /// to the device in the background, and sent until the server has it. The server never replaces a file.
        /// </summary>
        /// <param name="name">Its path below the participant's folder at the server, as "trackers/head.csv".</param>
        /// <param name="content">At most 32 MB; not to be changed any more.</param>
        public void SendFile(string name, byte[] content)
        {
            _files.Add(name, content);
        }

        /// <summary>The number of files that wait on the device.</summary>
        public int UnsentFiles
        {
            get { return _files.Unsent; }
        }

        /// <summary>
        /// Block until all files are on the device, where records are already: before a program ends. Whether they
        /// are within the time.
        /// </summary>
        public bool WaitForStorage(TimeSpan within)
        {
            return _files.WaitForStorage(within);
        }

        /// <summary>
        /// Wait until the server has all records and files; the answer is whether it has. An app should do so at its end,
        /// and say to the participant that it does.
        /// </summary>
        /// <param name="within">How long to wait; null is without end.</param>
        public async Task<bool> FlushAsync(TimeSpan? within = null)
        {
            var late = _background.LateAsync(within);
            return await _records.SettledAsync(record => true, late).ConfigureAwait(false)
                && await _files.SettledAsync(late).ConfigureAwait(false);
        }

        /// <summary>
        /// Connect anew at once. A headset that was asleep does not notice for most of a minute that
        /// its connection is gone.
        /// </summary>
        public void Reconnect()
        {
            _transport.Reconnect();
        }

        /// <summary>
        /// Stop taking part. Moves that still wait fail with the code `closed`; records that wait are sent when the
        /// same participant takes part again.
        /// </summary>
        public void Dispose()
        {
            // A second time does nothing new.
            _closing.Cancel();
            _snapshots.Close();
            _transport.Dispose();
            _moves.Close();
            _records.Dispose();
            _ready.TrySetException(StudyException.Closed());
        }

        /// <summary>
        /// Dispose, and wait until nothing of it runs any more. A program should do so before it ends: not
        /// every runtime ends well while sockets are being closed.
        /// </summary>
        public Task CloseAsync()
        {
            Dispose();
            return _background.EndedAsync();
        }

        private void Reached()
        {
            _records.Reached(_snapshots.Known.ParticipantIndex);
            _files.Reached(_snapshots.Known.ParticipantIndex);
            _ready.TrySetResult(_snapshots.Known);
            _moves.Send();
        }

        private static void RaiseOrReport<T>(Events events, Action<T> listeners, T value, StudyException told)
        {
            if (listeners == null)
            {
                events.Report(told);
            }
            else
            {
                events.Call(listeners, value);
            }
        }

        private void Refused(StudyException error)
        {
            _ready.TrySetException(error);
            _moves.Reject(error);
        }
    }
}
