using ExperimentServer;
using UnityEngine;

/// <summary>
/// The scene of the selection study: puts the target where the block says, and takes presses. Give it the
/// Study Client, the target, and what points: the end of the ray, and the hand.
/// </summary>
/// <remarks>
/// Space stands for the trigger here; call Press from your XR rig's select event.
/// </remarks>
public sealed class SelectionScene : MonoBehaviour
{
    public StudyClient study;
    public Transform target;
    public Transform rayEnd;
    public Transform hand;
    public TextMesh message;

    private SelectionTask _task;
    private bool _ended;

    public void Press()
    {
        if (_task == null)
        {
            // Between blocks a press says that the participant is ready for the first one.
            if (study.Snapshot != null && study.Snapshot.BlockId < 0)
            {
                study.Next();
            }
            return;
        }
        var pointer = _task.Config.technique == "ray" ? rayEnd : hand;
        var at = pointer.position;
        _task.Press(new[] { at.x, at.y, at.z }, Time.time);
        if (_task.Done)
        {
            Finish(_task);
        }
        else
        {
            Place();
        }
    }

    private void OnEnable()
    {
        study.BlockChanged.AddListener(Show);
    }

    private void OnDisable()
    {
        study.BlockChanged.RemoveListener(Show);
    }

    private void Update()
    {
        if (Input.GetKeyDown(KeyCode.Space))
        {
            Press();
        }
        if (_ended)
        {
            message.text = study.Unsent > 0
                ? "Your results are being sent. Please keep the headset on."
                : "Thank you! You can take off the headset.";
        }
    }

    private void Show(Snapshot snapshot)
    {
        _ended = snapshot.Ended;
        _task = snapshot.Active ? new SelectionTask(snapshot, Time.time) : null;
        if (_task != null)
        {
            message.text = _task.Config.technique == "ray" ? "Point at the ball, and press" : "Touch the ball, and press";
            Place();
        }
        else
        {
            message.text = _ended ? "" : "Press to begin";
        }
    }

    private void Place()
    {
        var place = _task.Target;
        target.position = new Vector3(place[0], place[1], place[2]);
    }

    /// <summary>The results first, for three seconds at most; what has not arrived by then is sent later.</summary>
    private void Finish(SelectionTask task)
    {
        _task = null;
        message.text = "One moment...";
        // The experimenter may have moved the participant: only this block is left.
        study.Finish(task.Block);
    }
}
