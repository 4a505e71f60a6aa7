// Does what the scenarios of clients/conformance say, and tells what it hears: see the README there.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer.Tests
{
    internal static class Harness
    {
        private static Study _study;

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

        private static async Task<Snapshot> DoAsync(JObject asked)
        {
            switch ((string)asked["do"])
            {
                case "connect":
                    return await ConnectAsync(asked);
                case "next":
                    return await _study.NextAsync();
                case "previous":
                    return await _study.PreviousAsync();
                case "goTo":
                    return await _study.GoToAsync((int)asked["block_id"]);
                case "walk":
                    return await WalkAsync();
                case "close":
                    if (_study != null)
                    {
                        await _study.CloseAsync();
                    }
                    return null;
                default:
                    throw new ArgumentException("nobody can " + asked["do"]);
            }
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
                Problem = error => Say(new JObject { { "problem", error.ToString() } })
            };
            _study = await Study.ConnectAsync(options, study =>
            {
                study.BlockChanged += state => Tell("block", state);
                study.ConfigChanged += state => Tell("config", state);
                study.Ended += state => Tell("end", state);
                study.ConnectionChanged += to => Say(new JObject { { "event", "connection" }, { "to", to.ToString().ToLowerInvariant() } });
            });
            return _study.Snapshot;
        }

        private static void Answer(JToken id, Task<Snapshot> done)
        {
            var said = new JObject { { "id", id } };
            if (done.IsFaulted)
            {
                var error = done.Exception.GetBaseException();
                said["error"] = error is StudyException refused ? refused.Code : error.ToString();
            }
            else
            {
                said["state"] = done.Result == null ? null : done.Result.Raw;
            }
            Say(said);
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
}
