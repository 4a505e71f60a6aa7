// What the core promises beside the scenarios of all clients: the part that is C#'s own.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace ExperimentServer.Tests
{
    internal static class Core
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        public static void Main(string[] arguments)
        {
            var url = arguments[1];
            switch (arguments[0])
            {
                case "mistakes":
                    Mistakes(url);
                    break;
                case "blocking":
                    Blocking(url);
                    break;
                case "closing":
                    Closing(url);
                    break;
                case "closed-early":
                    ClosedEarly(url);
                    break;
                case "values":
                    Values(url);
                    break;
                default:
                    throw new ArgumentException("nobody can " + arguments[0]);
            }
            // See Harness.cs.
            Environment.Exit(0);
        }

        /// <summary>Listeners throw, and so does the one who is told of it.</summary>
        private static void Mistakes(string url)
        {
            var told = new BlockingCollection<string>();
            var options = new Options
            {
                Url = url,
                Participant = 1,
                Problem = error =>
                {
                    told.Add("reported: " + error.Message);
                    throw new InvalidOperationException("and another");
                }
            };
            var study = Result(Study.ConnectAsync(options, joined =>
            {
                joined.BlockChanged += state => throw new InvalidOperationException("no screen for " + state.BlockName);
                joined.BlockChanged += state => told.Add("shown: " + state.BlockName);
            }));
            Result(study.NextAsync());
            for (var count = 0; count < 4; count++)
            {
                Console.WriteLine(Next(told));
            }
            Result(study.NextAsync());
            Console.WriteLine(Next(told));
        }

        /// <summary>A listener waits for the answer to its own move.</summary>
        private static void Blocking(string url)
        {
            var told = new BlockingCollection<string>();
            Study study = null;
            Result(Study.ConnectAsync(new Options { Url = url, Participant = 1 }, joined =>
            {
                study = joined;
                joined.BlockChanged += state =>
                {
                    told.Add(state.BlockName);
                    if (!state.Ended)
                    {
                        state.NextAsync().Wait();
                    }
                };
            }));
            string name;
            do
            {
                name = Next(told);
                Console.WriteLine(name);
            }
            while (name != "END");
            Result(Bool(study.CloseAsync()));
        }

        /// <summary>A listener ends it all, and waits for that.</summary>
        private static void Closing(string url)
        {
            var ended = new TaskCompletionSource<bool>();
            var study = Result(Study.ConnectAsync(new Options { Url = url, Participant = 1 }, joined =>
            {
                joined.BlockChanged += state =>
                {
                    if (state.Active)
                    {
                        joined.CloseAsync().Wait();
                        ended.TrySetResult(true);
                    }
                };
            }));
            Code(study.NextAsync());
            Result(ended.Task);
            Console.WriteLine(Code(study.NextAsync()));
            Console.WriteLine(Code(study.Snapshot.NextAsync()));
        }

        /// <summary>What an app records, where numbers have commas and years are others.</summary>
        private static void Values(string url)
        {
            foreach (var name in new[] { "de-DE", "th-TH" })
            {
                var culture = CultureInfo.GetCultureInfo(name);
                CultureInfo.CurrentCulture = culture;
                CultureInfo.DefaultThreadCurrentCulture = culture;
                var study = Result(Study.ConnectAsync(new Options { Url = url, Participant = 1 }));
                Result(study.GoToAsync(0)).Record(new RecordValues
                {
                    { "culture", name },
                    { "float", 0.1f },
                    { "double", 1234.5 },
                    { "large", 1e21 },
                    { "decimal", 1.10m },
                    { "none", double.NaN },
                    { "missing", null },
                    { "hit", true },
                    { "key", ConsoleKey.A },
                    { "when", new DateTime(2026, 11, 25, 1, 2, 3, DateTimeKind.Utc) },
                    { "text", "\"\u00e4\"" },
                    { "path", new[] { 0.5f, 1.5f } },
                    { "inside", new Dictionary<string, object> { { "x", 1 } } },
                    { "json", new JObject { { "date", "2026-11-25T01:02:03" } } }
                });
                study.Record("answers", new Dictionary<string, object> { { "n", 1.5 } });
                Console.WriteLine(Result(study.FlushAsync()));
                try
                {
                    study.Record(new RecordValues { { "inside", new Dictionary<string, object> { { "study", study } } } });
                }
                catch (StudyException error)
                {
                    Console.WriteLine(error.Code + ": " + error.Message);
                }
                Result(Bool(study.CloseAsync()));
                try
                {
                    study.Record(new RecordValues());
                }
                catch (StudyException error)
                {
                    Console.WriteLine(error.Code);
                }
            }
        }

        /// <summary>It is closed before a server was found.</summary>
        private static void ClosedEarly(string url)
        {
            var connecting = Study.ConnectAsync(
                new Options { Url = url },
                joined => Task.Delay(100).ContinueWith(_ => joined.Dispose(), TaskScheduler.Default));
            Console.WriteLine(Code(connecting));
            var stop = new CancellationTokenSource(100);
            connecting = Study.ConnectAsync(new Options { Url = url }, null, stop.Token);
            Console.WriteLine(Code(connecting));
        }

        private static string Next(BlockingCollection<string> told)
        {
            if (!told.TryTake(out var next, Patience))
            {
                throw new TimeoutException("nothing more is told");
            }
            return next;
        }

        private static T Result<T>(Task<T> task)
        {
            if (!((IAsyncResult)task).AsyncWaitHandle.WaitOne(Patience))
            {
                throw new TimeoutException("it does not end");
            }
            return task.GetAwaiter().GetResult();
        }

        private static async Task<bool> Bool(Task task)
        {
            await task;
            return true;
        }

        private static string Code<T>(Task<T> task)
        {
            try
            {
                Result(task);
                return "done";
            }
            catch (StudyException error)
            {
                return error.Code;
            }
            catch (OperationCanceledException)
            {
                return "cancelled";
            }
        }
    }
}
