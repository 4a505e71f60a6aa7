// Does what the scenarios of clients/conformance say, and tells what it hears: see the README there.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer.Tests
{
    internal static class Harness
    {
        private const string Mistake = "a mistake of the app";

        private static readonly Dictionary<string, Snapshot> Kept = new Dictionary<string, Snapshot>();
        private static readonly App Attention = new App();
        private static readonly TaskCompletionSource<bool> Closed = new TaskCompletionSource<bool>();
        private static Study _study;
        private static int _recorded;

        public static void Main()
        {
            var answers = new List<Task>();
            string line;
            while ((line = Console.In.ReadLine()) != null)
            {
                var asked = (JObject)Json.Read(line);
                answers.Add(DoAsync(asked).ContinueWith(done => Answer(asked["id"], done)));
            }
            Task.WaitAll(answers.ToArray());
            // Mono 6.8 now and then waits for a minute for idle threads of its own pool when Main returns.
            Environment.Exit(0);
        }

        private static async Task<JObject> DoAsync(JObject asked)
        {
            switch ((string)asked["do"])
            {
                case "record":
                    Record(asked);
                    return null;
                case "flush":
                    var within = asked["within"] == null ? (TimeSpan?)null : TimeSpan.FromSeconds((double)asked["within"]);
                    await _study.FlushAsync(within);
                    return new JObject { { "unsent", _study.Unsent } };
                case "file":
                    _study.SendFile((string)asked["name"], Encoding.UTF8.GetBytes((string)asked["content"]));
                    return new JObject { { "stored", _study.WaitForStorage(TimeSpan.FromSeconds(10)) } };
                case "unsent":
                    return new JObject { { "unsent", _study.Unsent } };
                default:
                    var state = await MoveAsync(asked);
                    return state == null ? null : state.Raw;
            }
        }

        private static void Record(JObject asked)
        {
            var first = asked["first"] == null ? _recorded : (int)asked["first"];
            for (var count = 0; count < ((int?)asked["count"] ?? 1); count++)
            {
                var data = (JObject)asked["data"] ?? new JObject { { "i", first + count } };
                if (asked["of"] != null)
                {
                    Kept[(string)asked["of"]].Record((string)asked["table"] ?? Snapshot.DefaultTable, data);
                }
                else
                {
                    _study.Record((string)asked["table"] ?? Snapshot.DefaultTable, data);
                }
                _recorded = first + count + 1;
            }
        }

        private static async Task<Snapshot> MoveAsync(JObject asked)
        {
            switch ((string)asked["do"])
            {
                case "connect":
                    return await ConnectAsync(asked);
                case "finish":
                    return await Kept[(string)asked["of"]].FinishAsync();
                case "next":
                    return asked["of"] == null ? await _study.NextAsync() : await Kept[(string)asked["of"]].NextAsync();
                case "previous":
                    return asked["of"] == null ? await _study.PreviousAsync() : await Kept[(string)asked["of"]].PreviousAsync();
                case "goTo":
                    return await _study.GoToAsync((int)asked["block_id"]);
                case "walk":
                    return await WalkAsync();
                case "follow":
                    return await FollowAsync();
                case "keep":
                    Kept[(string)asked["as"]] = _study.Snapshot;
                    return _study.Snapshot;
                case "stumble":
                    _study.BlockChanged += _ => throw new InvalidOperationException(Mistake);
                    return null;
                case "busy":
                    Attention.Lose();
                    return null;
                case "attend":
                    Attention.Regain();
                    return null;
                case "close":
                    if (_study != null)
                    {
                        await _study.CloseAsync();
                    }
                    Closed.TrySetResult(true);
                    return null;
                default:
                    throw new ArgumentException("nobody can " + asked["do"]);
            }
        }

        /// <summary>Each block that the participant is in, as an app shows them; the last one in the end.</summary>
        private static async Task<Snapshot> FollowAsync()
        {
            Snapshot last = null;
            var ended = new TaskCompletionSource<bool>();
            _study.BlockChanged += state =>
            {
                if (state.Active)
                {
                    last = state;
                    Tell("follows", state);
                }
            };
            _study.Ended += _ => ended.TrySetResult(true);
            await Task.WhenAny(ended.Task, Closed.Task);
            // On a busy machine a block may have come before anybody listened.
            return last ?? _study.Snapshot;
        }

        private static async Task<Snapshot> WalkAsync()
        {
            var moves = new ConcurrentQueue<Task<Snapshot>>();
            var ended = new TaskCompletionSource<bool>();
            _study.BlockChanged += state =>
            {
                if (state.Ended)
                {
                    ended.TrySetResult(true);
                }
                else
                {
                    moves.Enqueue(_study.NextAsync());
                }
            };
            moves.Enqueue(_study.NextAsync());
            await ended.Task;
            return (await Task.WhenAll(moves)).Last();
        }

        private static async Task<Snapshot> ConnectAsync(JObject asked)
        {
            var options = new Options
            {
                Url = (string)asked["url"],
                Participant = (int?)asked["participant"],
                Token = (string)asked["token"],
                Storage = Environment.GetEnvironmentVariable("STORAGE"),
                Dispatch = Attention.Give,
                Problem = Report
            };
            _study = await Study.ConnectAsync(options, study =>
            {
                study.BlockChanged += state => Tell("block", state);
                study.ConfigChanged += state => Tell("config", state);
                study.Ended += state => Tell("end", state);
                study.RecordRefused += refused => Say(new JObject
                {
                    { "event", "refused" },
                    { "record_id", refused.RecordId },
                    { "code", refused.Reason.Code },
                    { "message", refused.Reason.Message },
                    { "data", refused.Data }
                });
                study.FileRefused += refused => Say(new JObject
                {
                    { "event", "refused" }, { "name", refused.Name }, { "message", refused.Reason.Message }
                });
                study.StorageFailed += failed => Say(new JObject { { "event", "storage" }, { "message", failed.Message } });
                study.ConnectionChanged += to => Say(new JObject { { "event", "connection" }, { "to", to.ToString().ToLowerInvariant() } });
            });
            return _study.Snapshot;
        }

        private static void Answer(JToken id, Task<JObject> done)
        {
            var said = new JObject { { "id", id } };
            if (done.IsFaulted)
            {
                var error = done.Exception.GetBaseException();
                said["error"] = error is StudyException refused ? refused.Code : error.ToString();
                said["message"] = error.Message;
            }
            else
            {
                said["state"] = done.Result;
            }
            Say(said);
        }

        private static void Report(Exception error)
        {
            Say(error.Message == Mistake
                ? new JObject { { "event", "mistake" }, { "message", Mistake } }
                : new JObject { { "problem", error.ToString() } });
        }

        private static void Tell(string name, Snapshot state)
        {
            Say(new JObject { { "event", name }, { "state", state.Raw } });
        }

        private static void Say(JObject said)
        {
            lock (Console.Out)
            {
                Console.Out.WriteLine(Json.Write(said));
                Console.Out.Flush();
            }
        }
    }
    /// <summary>An app that has no time for what happens now and then, as Unity between two frames.</summary>
    internal sealed class App
    {
        private readonly Queue<Action> _happened = new Queue<Action>();
        private bool _busy;

        public void Give(Action happened)
        {
            lock (_happened)
            {
                if (_busy)
                {
                    _happened.Enqueue(happened);
                    return;
                }
            }
            happened();
        }

        public void Lose()
        {
            lock (_happened)
            {
                _busy = true;
            }
        }

        public void Regain()
        {
            while (true)
            {
                Action happened;
                lock (_happened)
                {
                    if (_happened.Count == 0)
                    {
                        _busy = false;
                        return;
                    }
                    happened = _happened.Dequeue();
                }
                happened();
            }
        }
    }
}
