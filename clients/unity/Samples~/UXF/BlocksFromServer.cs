using System.Collections.Generic;
using ExperimentServer;
using Newtonsoft.Json.Linq;
using UnityEngine;
using UXF;

/// <summary>
/// Makes a UXF block of every block of the study: `trials` in its config is how many trials it has
/// (one without it), and everything in the config is a setting of the block, the block's `name` too. The
/// first trial begins at once, the others as your UXF program begins them; after the last one the
/// participant goes on.
/// </summary>
/// <remarks>
/// Call Begin from the session's On Session Begin, and TrialEnded from its On Trial End.
/// </remarks>
public sealed class BlocksFromServer : MonoBehaviour
{
    public StudyClient study;

    private Session _session;
    private Block _block;
    private Snapshot _shown;
    private Snapshot _done;

    public void Begin(Session session)
    {
        _session = session;
        study.ConfigChanged.AddListener(Set);
        study.Ended.AddListener(End);
        study.Follow(Follow);
        if (study.Snapshot == null)
        {
            study.Connect();
        }
    }

    public void TrialEnded(Trial trial)
    {
        // An experimenter may have moved the participant on already, in the middle of a block.
        if (_block != null && trial == _block.lastTrial)
        {
            _block = null;
            _done = _shown;
        }
    }

    private void Update()
    {
        // Not in TrialEnded: a data handler may hear of the trial's end after this, and records it.
        if (_done != null)
        {
            study.Finish(_done);
            _done = null;
        }
    }

    private void Follow(Snapshot snapshot)
    {
        // The same one, if Begin has come to it first.
        if (!snapshot.Active || (_block != null && snapshot.BlockStartedAt == _shown.BlockStartedAt))
        {
            return;
        }
        _block = null;
        if (_session.InTrial)
        {
            _session.CurrentTrial.End();
        }
        var trials = snapshot.Config["trials"];
        _shown = snapshot;
        _block = _session.CreateBlock(trials == null ? 1 : (int)trials);
        Set(snapshot);
        _block.firstTrial.Begin();
    }

    /// <summary>Also when the experimenter changes the config: the trials that follow have it.</summary>
    private void Set(Snapshot snapshot)
    {
        if (_block == null || snapshot.BlockId != _shown.BlockId)
        {
            return;
        }
        foreach (KeyValuePair<string, JToken> setting in snapshot.Config)
        {
            var value = setting.Value as JValue;
            _block.settings.SetValue(setting.Key, value == null ? (object)setting.Value : value.Value);
        }
    }

    private void End(Snapshot snapshot)
    {
        study.Unfollow(Follow);
        study.ConfigChanged.RemoveListener(Set);
        study.Ended.RemoveListener(End);
        _session.End();
    }
}
