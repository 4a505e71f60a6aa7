// As much of the Unity Experiment Framework as its sample names: https://github.com/immersivecognition/unity-experiment-framework

using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using UnityEngine;
using UnityEngine.Events;

namespace UXF
{
    public sealed class Settings
    {
        public readonly Dictionary<string, object> Values = new Dictionary<string, object>();

        public void SetValue(string key, object value)
        {
            Values[key] = value;
        }
    }

    public sealed class ResultsDictionary
    {
        private readonly Dictionary<string, object> _values = new Dictionary<string, object>();

        public Dictionary<string, object>.KeyCollection Keys
        {
            get { return _values.Keys; }
        }

        public object this[string key]
        {
            get { return _values[key]; }
            set { _values[key] = value; }
        }
    }

    public sealed class TrialEvent : UnityEvent<Trial>
    {
    }

    public sealed class Trial
    {
        public Block block;
        public ResultsDictionary result;

        public Session session
        {
            get { return block.session; }
        }

        public int number
        {
            get { return session.blocks.SelectMany(one => one.trials).ToList().IndexOf(this) + 1; }
        }

        public bool saveData { get; set; } = true;

        public void Begin()
        {
            session.CurrentTrial = this;
            session.InTrial = true;
            result = new ResultsDictionary();
            result["trial_num"] = number;
            result["hit"] = string.Empty;
            session.onTrialBegin.Invoke(this);
        }

        public void End()
        {
            session.InTrial = false;
            session.onTrialEnd.Invoke(this);
        }

        public void SaveDataTable(UXFDataTable table, string dataName, UXFDataType dataType)
        {
            foreach (var handler in session.ActiveDataHandlers)
            {
                var location = handler.HandleDataTable(
                    table, session.experimentName, session.ppid, session.number, dataName, dataType, number);
                result[dataName + "_location_0"] = location;
            }
        }
    }

    public sealed class Block
    {
        public readonly Session session;
        public readonly List<Trial> trials = new List<Trial>();
        public readonly Settings settings = new Settings();

        public Block(Session session, int trials)
        {
            this.session = session;
            for (var number = 0; number < trials; number++)
            {
                this.trials.Add(new Trial { block = this });
            }
        }

        public Trial firstTrial
        {
            get { return trials[0]; }
        }

        public Trial lastTrial
        {
            get { return trials[trials.Count - 1]; }
        }
    }

    public sealed class Session
    {
        public readonly List<Block> blocks = new List<Block>();
        public readonly TrialEvent onTrialBegin = new TrialEvent();
        public readonly TrialEvent onTrialEnd = new TrialEvent();
        public DataHandler[] dataHandlers = new DataHandler[0];
        public string experimentName;
        public string ppid;
        public int number;

        public IEnumerable<DataHandler> ActiveDataHandlers
        {
            get { return dataHandlers.Where(handler => handler.active); }
        }

        public bool InTrial { get; internal set; }

        public Trial CurrentTrial { get; internal set; }

        public bool Ended { get; private set; }

        public void Begin(string experimentName, string participantId, int sessionNumber)
        {
            this.experimentName = experimentName;
            ppid = participantId;
            number = sessionNumber;
            foreach (var handler in ActiveDataHandlers)
            {
                handler.Initialise(this);
                handler.SetUp();
            }
        }

        public Block CreateBlock(int numberOfTrials)
        {
            var block = new Block(this, numberOfTrials);
            blocks.Add(block);
            return block;
        }

        public void End()
        {
            var table = new UXFDataTable("trial_num");
            foreach (var trial in blocks.SelectMany(block => block.trials).Where(trial => trial.result != null))
            {
                table.AddCompleteRow(new UXFDataRow { ("trial_num", trial.result["trial_num"]) });
            }
            var settings = new Dictionary<string, object> { { "hand", "left" }, { "gain", 1.5 } };
            foreach (var handler in ActiveDataHandlers)
            {
                handler.HandleDataTable(table, experimentName, ppid, number, "trial_results", UXFDataType.TrialResults);
                handler.HandleJSONSerializableObject(settings, experimentName, ppid, number, "settings", UXFDataType.Settings);
                handler.HandleText("the log", experimentName, ppid, number, "log", UXFDataType.SessionLog);
                handler.CleanUp();
            }
            Ended = true;
        }
    }

    public abstract class DataHandler : MonoBehaviour
    {
        public bool active = true;

        public Session session { get; private set; }

        public void Initialise(Session session)
        {
            this.session = session;
        }

        public abstract bool CheckIfRiskOfOverwrite(string experiment, string ppid, int sessionNum, string rootPath = "");

        public virtual void SetUp()
        {
        }

        public abstract string HandleDataTable(UXFDataTable table, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType, int optionalTrialNumber = 0);

        public abstract string HandleJSONSerializableObject(List<object> serializableObject, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType, int optionalTrialNumber = 0);

        public abstract string HandleJSONSerializableObject(Dictionary<string, object> serializableObject, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType, int optionalTrialNumber = 0);

        public abstract string HandleText(string text, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType, int optionalTrialNumber = 0);

        public abstract string HandleBytes(byte[] bytes, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType, int optionalTrialNumber = 0);

        public virtual void CleanUp()
        {
        }
    }

    public enum UXFDataType
    {
        TrialResults,
        SessionLog,
        Settings,
        Trackers
    }

    public enum UXFDataLevel
    {
        PerTrial,
        PerSession
    }

    public static class DataHandlerEnumExtensions
    {
        public static string GetFolderName(this UXFDataType dt)
        {
            return dt == UXFDataType.TrialResults ? "" : dt == UXFDataType.Trackers ? "trackers" : "session_info";
        }

        public static UXFDataLevel GetDataLevel(this UXFDataType dt)
        {
            return dt == UXFDataType.Trackers ? UXFDataLevel.PerTrial : UXFDataLevel.PerSession;
        }
    }

    public sealed class UXFDataRow : List<(string columnName, object value)>
    {
    }

    public sealed class UXFDataTable
    {
        private readonly string[] _names;
        private readonly List<UXFDataRow> _rows = new List<UXFDataRow>();

        public UXFDataTable(params string[] columnNames)
        {
            _names = columnNames;
        }

        public void AddCompleteRow(UXFDataRow newRow)
        {
            _rows.Add(newRow);
        }

        public string[] GetCSVLines(CultureInfo culture = null, string decimalFormat = "0.######")
        {
            var separator = (culture ?? CultureInfo.CurrentCulture).TextInfo.ListSeparator;
            var lines = new List<string> { string.Join(separator, _names) };
            lines.AddRange(_rows.Select(
                row => string.Join(separator, row.Select(cell => string.Format(culture, "{0}", cell.value)))));
            return lines.ToArray();
        }
    }
}
