// As much of UnityEngine as the package and its samples name, so that they compile and run without
// Unity. Names and shapes are Unity's; what they do is the least that the tests need.

using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public class Object
    {
        public string name = "";

        public static void DontDestroyOnLoad(Object target)
        {
        }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }

        public Transform transform
        {
            get { return gameObject.transform; }
        }
    }

    public class Behaviour : Component
    {
        public bool enabled { get; set; } = true;
    }

    public class MonoBehaviour : Behaviour
    {
    }

    public class Transform : Component
    {
        public Vector3 position { get; set; }
    }

    public sealed class GameObject : Object
    {
        public GameObject(string name)
        {
            this.name = name;
            transform = new Transform();
            transform.gameObject = this;
        }

        public Transform transform { get; private set; }

        public T AddComponent<T>()
            where T : Component, new()
        {
            return new T { gameObject = this };
        }
    }

    public class TextMesh : Component
    {
        public string text { get; set; }
    }

    public struct Vector3
    {
        public float x;
        public float y;
        public float z;

        public Vector3(float x, float y, float z)
        {
            this.x = x;
            this.y = y;
            this.z = z;
        }

        public static float Distance(Vector3 a, Vector3 b)
        {
            var (dx, dy, dz) = (a.x - b.x, a.y - b.y, a.z - b.z);
            return (float)Math.Sqrt(dx * dx + dy * dy + dz * dz);
        }
    }

    public enum KeyCode
    {
        Space,
        Backspace
    }

    public static class Input
    {
        public static readonly HashSet<KeyCode> Pressed = new HashSet<KeyCode>();

        public static bool GetKeyDown(KeyCode key)
        {
            return Pressed.Contains(key);
        }
    }

    public static class Application
    {
        public static string persistentDataPath { get; set; }
    }

    public abstract class CustomYieldInstruction
    {
        public abstract bool keepWaiting { get; }
    }

    public static class PlayerPrefs
    {
        private static readonly Dictionary<string, string> Values = new Dictionary<string, string>();

        public static bool HasKey(string key)
        {
            return Values.ContainsKey(key);
        }

        public static string GetString(string key)
        {
            return Values[key];
        }

        public static void SetString(string key, string value)
        {
            Values[key] = value;
        }

        public static void DeleteKey(string key)
        {
            Values.Remove(key);
        }

        public static void Save()
        {
        }
    }

    public class AndroidJavaObject : IDisposable
    {
        public T Call<T>(string methodName, params object[] args)
        {
            return default(T);
        }

        public T GetStatic<T>(string fieldName)
        {
            return default(T);
        }

        public void Dispose()
        {
        }
    }

    public class AndroidJavaClass : AndroidJavaObject
    {
        public AndroidJavaClass(string className)
        {
        }
    }

    public static class Time
    {
        public static float time { get; set; }
    }

    public static class Debug
    {
        public static readonly List<string> Logged = new List<string>();

        public static void Log(object message)
        {
            Add("log", message);
        }

        public static void LogWarning(object message, Object context)
        {
            Add("warning", message);
        }

        public static void LogError(object message, Object context)
        {
            Add("error", message);
        }

        public static void LogException(Exception exception, Object context)
        {
            Add("exception", exception);
        }

        private static void Add(string kind, object message)
        {
            lock (Logged)
            {
                Logged.Add(kind + ": " + message);
            }
        }
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class SerializeField : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class TooltipAttribute : Attribute
    {
        public TooltipAttribute(string tooltip)
        {
        }
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class MinAttribute : Attribute
    {
        public MinAttribute(float min)
        {
        }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class AddComponentMenu : Attribute
    {
        public AddComponentMenu(string menuName)
        {
        }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class DisallowMultipleComponent : Attribute
    {
    }
}

namespace UnityEngine.Events
{
    public delegate void UnityAction<T>(T argument);

    public abstract class UnityEvent<T>
    {
        private readonly List<UnityAction<T>> _listeners = new List<UnityAction<T>>();

        public void AddListener(UnityAction<T> call)
        {
            _listeners.Add(call);
        }

        public void RemoveListener(UnityAction<T> call)
        {
            _listeners.Remove(call);
        }

        public void Invoke(T argument)
        {
            foreach (var listener in _listeners.ToArray())
            {
                listener(argument);
            }
        }
    }
}
