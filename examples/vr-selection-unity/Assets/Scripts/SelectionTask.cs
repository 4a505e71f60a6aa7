using System;
using ExperimentServer;

/// <summary>What a block of the study says about its targets.</summary>
public sealed class SelectionConfig
{
    public string technique;
    public float diameter;
    public int targets;
    public float[] directions;
    public float radius;
    public float distance;
    public float height;
    public bool practice;
}

/// <summary>
/// One block: target after target on a circle, each selected with a press, hit or miss. It knows nothing of
/// Unity, so that it runs wherever C# does; see SelectionScene for the scene, Headless for a test.
/// </summary>
public sealed class SelectionTask
{
    private int _selected;
    private double _shownAt;

    public SelectionTask(Snapshot block, double now)
    {
        Block = block;
        Config = block.GetConfig<SelectionConfig>();
        _shownAt = now;
    }

    public Snapshot Block { get; private set; }

    public SelectionConfig Config { get; private set; }

    public bool Done
    {
        get { return _selected >= Config.targets; }
    }

    public int Errors { get; private set; }

    /// <summary>Where the current target is, in metres: x to the right, y up, z ahead.</summary>
    public float[] Target
    {
        get
        {
            var angle = Config.directions[_selected % Config.directions.Length] * Math.PI / 180;
            return new[]
            {
                (float)(Config.radius * Math.Sin(angle)),
                (float)(Config.height + Config.radius * Math.Cos(angle)),
                Config.distance
            };
        }
    }

    /// <summary>
    /// The participant has pressed, with the end of ray or hand at a place; records that, and returns whether it is a hit.
    /// </summary>
    public bool Press(float[] at, double now)
    {
        var target = Target;
        var distance = 0.0;
        for (var axis = 0; axis < 3; axis++)
        {
            distance += Math.Pow(at[axis] - target[axis], 2);
        }
        var error = Math.Sqrt(distance);
        var hit = error <= Config.diameter / 200;
        Errors += hit ? 0 : 1;
        Block.Record(new RecordValues
        {
            { "trial", _selected + 1 },
            { "practice", Config.practice },
            { "direction", Config.directions[_selected % Config.directions.Length] },
            { "hit", hit },
            { "error_m", Math.Round(error, 4) },
            { "time_s", Math.Round(now - _shownAt, 4) }
        });
        _selected++;
        _shownAt = now;
        return hit;
    }
}
