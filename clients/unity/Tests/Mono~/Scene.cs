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

        private static void Uxf(string url)
        {
            var client = Client(url, 1);
            var sample = client.gameObject.AddComponent<BlocksFromServer>();
            sample.study = client;
            var session = new Session();
            session.TrialBegun = trial => Say("trial " + (trial.block.trials.IndexOf(trial) + 1) + " of " + trial.block.trials.Count
                + ": " + string.Join(", ", trial.block.settings.Values.Select(setting => setting.Key + "=" + setting.Value)));
            session.TrialEnded = sample.TrialEnded;
            sample.Begin(session);
            Until(client, () => client.Snapshot != null);
            client.Next();
            while (!session.Ended)
            {
                Until(client, () => session.InTrial || session.Ended);
                if (session.InTrial)
                {
                    var trial = session.CurrentTrial;
                    trial.End();
                    if (trial != trial.block.lastTrial)
                    {
                        trial.block.trials[trial.block.trials.IndexOf(trial) + 1].Begin();
                    }
                }
            }
            Say("session ended after " + session.blocks.Count + " blocks");
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
        private static void Until(StudyClient client, Func<bool> reached)
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
