using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using ExperimentServer;
using Newtonsoft.Json;
using UnityEngine;
using UXF;

/// <summary>
/// Sends each trial as a record when it ends, in the table `trials` of the block in which it began, and trackers and
/// other data of UXF as files below the folder of the participant. Both wait on the device until the server has them.
/// </summary>
/// <remarks>
/// Add it to the session's Data Handlers, beside its File Saver, which keeps UXF's own copy on the device. UXF itself
/// hands over the trials' results at the session's end only; the trials are heard of as they end.
/// </remarks>
public sealed class ServerDataHandler : DataHandler
{
    public StudyClient study;

    [Tooltip("The table of the trials' records.")]
    public string table = "trials";

    private static readonly JsonSerializerSettings Written = new JsonSerializerSettings
    {
        Culture = CultureInfo.InvariantCulture,
        Formatting = Formatting.Indented,
        ReferenceLoopHandling = ReferenceLoopHandling.Ignore
    };

    private Snapshot _block;

    public override void SetUp()
    {
        session.onTrialBegin.AddListener(TrialBegun);
        session.onTrialEnd.AddListener(TrialEnded);
    }

    public override void CleanUp()
    {
        session.onTrialBegin.RemoveListener(TrialBegun);
        session.onTrialEnd.RemoveListener(TrialEnded);
        // The app may end after this.
        study.WaitForStorage(TimeSpan.FromSeconds(5));
    }

    public override bool CheckIfRiskOfOverwrite(string experiment, string ppid, int sessionNum, string rootPath = "")
    {
        // The server never overwrites anything.
        return false;
    }

    public override string HandleDataTable(
        UXFDataTable table, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType,
        int optionalTrialNumber = 0)
    {
        var path = PathOf(experiment, ppid, sessionNum, dataName, ".csv", dataType, optionalTrialNumber);
        if (dataType != UXFDataType.TrialResults)
        {
            // Its rows of trial results are records already.
            SendText(path, string.Join("\n", table.GetCSVLines(CultureInfo.InvariantCulture)) + "\n");
        }
        return path;
    }

    public override string HandleJSONSerializableObject(
        List<object> serializableObject, string experiment, string ppid, int sessionNum, string dataName,
        UXFDataType dataType, int optionalTrialNumber = 0)
    {
        return SendJson(serializableObject, PathOf(experiment, ppid, sessionNum, dataName, ".json", dataType, optionalTrialNumber));
    }

    public override string HandleJSONSerializableObject(
        Dictionary<string, object> serializableObject, string experiment, string ppid, int sessionNum, string dataName,
        UXFDataType dataType, int optionalTrialNumber = 0)
    {
        return SendJson(serializableObject, PathOf(experiment, ppid, sessionNum, dataName, ".json", dataType, optionalTrialNumber));
    }

    public override string HandleText(
        string text, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType,
        int optionalTrialNumber = 0)
    {
        var path = PathOf(experiment, ppid, sessionNum, dataName, ".txt", dataType, optionalTrialNumber);
        SendText(path, text);
        return path;
    }

    public override string HandleBytes(
        byte[] bytes, string experiment, string ppid, int sessionNum, string dataName, UXFDataType dataType,
        int optionalTrialNumber = 0)
    {
        var path = PathOf(experiment, ppid, sessionNum, dataName, ".bin", dataType, optionalTrialNumber);
        Send(path, bytes);
        return path;
    }

    private void TrialBegun(Trial trial)
    {
        // The experimenter may move the participant on before it ends.
        _block = study.Snapshot;
    }

    private void TrialEnded(Trial trial)
    {
        if (!trial.saveData)
        {
            return;
        }
        var values = new RecordValues();
        foreach (var name in trial.result.Keys)
        {
            values.Add(name, Recordable(trial.result[name]));
        }
        try
        {
            if (_block == null)
            {
                study.Record(table, values);
            }
            else
            {
                _block.Record(table, values);
            }
        }
        catch (StudyException error)
        {
            // UXF goes on, and its File Saver has the trial.
            Debug.LogException(error, this);
        }
    }

    /// <summary>Of a result of UXF what a record may have; what was never set is missing.</summary>
    private static object Recordable(object value)
    {
        if (value == null || "".Equals(value))
        {
            return null;
        }
        if (value is Vector3 place)
        {
            return new RecordValues { { "x", place.x }, { "y", place.y }, { "z", place.z } };
        }
        return value is IConvertible || value is IEnumerable ? value : Convert.ToString(value, CultureInfo.InvariantCulture);
    }

    /// <summary>As UXF's own data handlers name files.</summary>
    private static string PathOf(
        string experiment, string ppid, int sessionNum, string dataName, string extension, UXFDataType dataType, int trial)
    {
        var ending = Path.GetExtension(dataName);
        var name = Path.GetFileNameWithoutExtension(dataName);
        if (dataType.GetDataLevel() == UXFDataLevel.PerTrial)
        {
            name += "_T" + trial.ToString("D3", CultureInfo.InvariantCulture);
        }
        name += ending.Length == 0 ? extension : ending;
        var folder = dataType.GetFolderName();
        var session = "S" + sessionNum.ToString("D3", CultureInfo.InvariantCulture);
        return string.Join("/", experiment, ppid, session) + (folder.Length == 0 ? "" : "/" + folder) + "/" + name;
    }

    private string SendJson(object value, string path)
    {
        SendText(path, JsonConvert.SerializeObject(value, Written));
        return path;
    }

    private void SendText(string path, string text)
    {
        Send(path, Encoding.UTF8.GetBytes(text));
    }

    private void Send(string path, byte[] content)
    {
        try
        {
            study.SendFile(path, content);
        }
        catch (StudyException error)
        {
            Debug.LogException(error, this);
        }
    }
}
