using System;
using ExperimentServer;
using UnityEngine;

/// <summary>
/// Shows where the participant is: the name of the block, and its instruction. Space goes on. Put it
/// beside a Study Client, and give it a Text Mesh.
/// </summary>
public sealed class ShowBlock : MonoBehaviour
{
    /// <summary>A field for each key of a block's config.</summary>
    [Serializable]
    public sealed class BlockConfig
    {
        public string instruction = "";
        public float speed = 1;
    }

    public StudyClient study;
    public TextMesh text;

    private void OnEnable()
    {
        study.Follow(Show);
        study.ConfigChanged.AddListener(Show);
    }

    private void OnDisable()
    {
        study.Unfollow(Show);
        study.ConfigChanged.RemoveListener(Show);
    }

    private void Update()
    {
        if (Input.GetKeyDown(KeyCode.Space))
        {
            study.Next();
        }
    }

    private void Show(Snapshot snapshot)
    {
        var config = snapshot.GetConfig<BlockConfig>();
        if (snapshot.Ended)
        {
            text.text = "Thank you!";
        }
        else if (config == null)
        {
            text.text = "We are about to begin.";
        }
        else
        {
            text.text = snapshot.BlockName + "\n" + config.instruction;
        }
    }
}
