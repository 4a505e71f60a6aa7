// A scene without Unity: the components are driven as Unity drives them, and tell what happens.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using UnityEngine;
using UnityEngine.Events;
using UXF;

namespace ExperimentServer.Tests
{
    internal static class Scene
    {
        private static readonly int Main_ = Thread.CurrentThread.ManagedThreadId;

        public static void Main(string[] arguments)
        {
            switch (arguments[0])
            {
                case "first-block":
                    FirstBlock(arguments[1]);
                    break;
                case "scenes":
                    Scenes(arguments[1]);
                    break;
                case "identity":
                    Identity();
                    break;
                case "records":
                    Records(arguments[1]);
                    break;
                case "uxf":
                    Uxf(arguments[1]);
                    break;
                default:
                    Refused(arguments[1]);
                    break;
            }
            Debug.Logged.ForEach(line => Say("logged " + line));
            // See Harness.cs.
            Environment.Exit(0);
        }

        private static void FirstBlock(string url)
        {
            var client = Client(url, 1);
            var screen = client.gameObject.AddComponent<TextMesh>();
            var sample = client.gameObject.AddComponent<ShowBlock>();
            sample.study = client;
            sample.text = screen;
            Call(sample, "OnEnable");
            client.BlockChanged.AddListener(_ => Say("shown " + screen.text.Replace("\n", " | ")));
            client.ConfigChanged.AddListener(_ => Say("changed " + client.GetConfig<ShowBlock.BlockConfig>().speed));
            var heard = new List<Connection>();
            client.ConnectionChanged.AddListener(to =>
            {
                heard.Add(to);
                Say("connection " + to);
            });
            Call(client, "Awake");
            Call(client, "Start");
            Until(client, () => client.Connection == Connection.Socket && client.Snapshot != null);
            while (!client.Snapshot.Ended)
            {
                var before = client.Snapshot.BlockId;
                Input.Pressed.Add(KeyCode.Space);
                Call(sample, "Update");
                Input.Pressed.Clear();
                Until(client, () => client.Snapshot.BlockId != before);
                if (before == -1)
                {
                    Say("ready for a change");
                    Until(client, () => client.GetConfig<ShowBlock.BlockConfig>().speed > 1);
                    // A headset that was taken off, and put on again.
                    Call(client, "OnApplicationPause", false);
                    Until(client, () => heard.Contains(Connection.None) && heard.Last() == Connection.Socket);
                    client.GoTo(99);
                    Until(client, () => Debug.Logged.Count > 0);
                }
            }
            Call(client, "OnDestroy");
            Say("after the end: " + Refusal(client));
        }

        private static string Refusal(StudyClient client)
        {
            try
            {
                client.NextAsync().Wait();
                return "moved";
            }
            catch (AggregateException error)
            {
                return ((StudyException)error.GetBaseException()).Code;
            }
        }

        private static void Refused(string url)
        {
            var client = Client(url, 99);
            IsRefused(client, () => Call(client, "Start"));
            client.ServerUrl = "192.168.1.5:5000";
            IsRefused(client, client.Connect);
            client.ServerUrl = url;
            client.Participant = -3;
            IsRefused(client, client.Connect);
        }

        private static void IsRefused(StudyClient client, Action connect)
        {
            var refusal = "";
            UnityAction<string> note = code => refusal = code;
            client.Refused.AddListener(note);
            connect();
            Until(client, () => refusal != "");
            client.Refused.RemoveListener(note);
            Say("refused " + refusal);
        }

        /// <summary>A scene is loaded again, with the client that is in it.</summary>
        private static void Scenes(string url)
        {
            var first = Client(url, 1);
            Call(first, "Awake");
            Call(first, "Start");
            Until(first, () => first.Snapshot != null && first.Connection == Connection.Socket);
            var again = Client("http://192.168.1.99:5000", 7);
            again.BlockChanged.AddListener(state => Say("again: " + state.BlockName));
            Call(again, "Awake");
            Call(again, "Start");
            again.Follow(state => Say("late: " + state.BlockName));
            again.Next();
            Until(first, () => first.Snapshot.BlockId == 0);
            Say("same participant: " + again.Snapshot.ParticipantIndex);
            Call(again, "OnDestroy");
            first.Next();
            Until(first, () => first.Snapshot.BlockId == 1);
            Call(first, "OnDestroy");
            Say("taking part: " + (first.Snapshot != null));
        }

        /// <summary>Who it is, said from outside of the build.</summary>
        private static void Identity()
        {
            StudyIdentity.Save("http://192.168.1.5:5000", 7, "of-the-device");
            var client = Client("http://127.0.0.1:5000", 1);
            Call(client, "Awake");
            Say(client.ServerUrl + " " + client.Participant + " " + client.Token);
            Call(client, "OnDestroy");
            StudyIdentity.Save(null, 0, null);
            PlayerPrefs.SetString(StudyIdentity.Participant, "seven");
            client = Client("http://127.0.0.1:5000", 1);
            client.Refused.AddListener(code => Say("refused " + code));
            Call(client, "Awake");
            client.Connect();
            client.Participant = 3;
            Say("by the script: " + client.Participant);
        }

        /// <summary>Records of a scene, and moves that a coroutine waits for.</summary>
        private static void Records(string url)
        {
            Application.persistentDataPath = Environment.GetEnvironmentVariable("STORAGE");
            var client = Client(url, 1);
            try
            {
                client.Record(new RecordValues());
            }
            catch (StudyException error)
            {
                Say(error.Code);
            }
            Call(client, "Awake");
            Call(client, "Start");
            Until(client, () => client.Snapshot != null);
            var move = client.GoToAsync(0).InCoroutine();
            Until(client, () => !move.keepWaiting);
            move.Result.Record(new RecordValues { { "rt", 0.5 } });
            client.Record("answers", new Dictionary<string, object> { { "q1", 3 } });
            move = move.Result.FinishAsync().InCoroutine();
            Until(client, () => !move.keepWaiting);
            Say("finished: " + move.Result.BlockName + ", unsent " + client.Unsent);
            move = client.GoToAsync(99).InCoroutine();
            Until(client, () => !move.keepWaiting);
            Say(move.ErrorCode + ": " + move.Error.Message);
            Call(client, "OnDestroy");
        }

        private static void Uxf(string url)
        {
            var client = Client(url, 1);
            var sample = client.gameObject.AddComponent<BlocksFromServer>();
            sample.study = client;
            var session = new Session();
            var handler = client.gameObject.AddComponent<ServerDataHandler>();
            handler.study = client;
            session.dataHandlers = new DataHandler[] { handler };
            session.onTrialBegin.AddListener(trial => Say("trial " + (trial.block.trials.IndexOf(trial) + 1) + " of " + trial.block.trials.Count
                + ": " + string.Join(", ", trial.block.settings.Values.Select(setting => setting.Key + "=" + setting.Value))));
            // As those of the Inspector: before the handler's own.
            session.onTrialEnd.AddListener(sample.TrialEnded);
            session.Begin("pointing", "P001", 1);
            sample.Begin(session);
            Until(client, () => client.Snapshot != null);
            client.Next();
            while (!session.Ended)
            {
                Until(client, () => session.InTrial || session.Ended, sample);
                if (session.InTrial)
                {
                    var trial = session.CurrentTrial;
                    trial.result["rt"] = 0.5f * trial.number;
                    trial.result["hand"] = new Vector3(0, 1, 2.5f);
                    var tracker = new UXFDataTable("time", "x");
                    tracker.AddCompleteRow(new UXFDataRow { ("time", 0.1f), ("x", 1.5f) });
                    trial.SaveDataTable(tracker, "head", UXFDataType.Trackers);
                    trial.End();
                    if (trial != trial.block.lastTrial)
                    {
                        trial.block.trials[trial.block.trials.IndexOf(trial) + 1].Begin();
                    }
                }
            }
            Say("session ended after " + session.blocks.Count + " blocks");
            var flush = client.FlushAsync().InCoroutine();
            Until(client, () => !flush.keepWaiting);
            Say("all arrived: " + flush.Result);
            Call(client, "OnDestroy");
        }

        private static StudyClient Client(string url, int participant)
        {
            var client = new GameObject("Study").AddComponent<StudyClient>();
            client.ServerUrl = url;
            client.Participant = participant;
            return client;
        }

        /// <summary>Frame after frame.</summary>
        private static void Until(StudyClient client, Func<bool> reached, MonoBehaviour other = null)
        {
            var end = DateTime.UtcNow.AddSeconds(20);
            while (!reached())
            {
                if (DateTime.UtcNow > end)
                {
                    throw new TimeoutException("it did not come to that");
                }
                Thread.Sleep(10);
                Call(client, "Update");
                if (other != null)
                {
                    Call(other, "Update");
                }
            }
            Call(client, "Update");
        }

        /// <summary>Unity, too, calls its messages by their names.</summary>
        private static void Call(MonoBehaviour component, string message, params object[] arguments)
        {
            var flags = BindingFlags.Instance | BindingFlags.NonPublic;
            component.GetType().GetMethod(message, flags).Invoke(component, arguments);
        }

        private static void Say(string line)
        {
            if (Thread.CurrentThread.ManagedThreadId != Main_)
            {
                line = "NOT ON THE MAIN THREAD: " + line;
            }
            Console.WriteLine(line);
            Console.Out.Flush();
        }
    }
}
