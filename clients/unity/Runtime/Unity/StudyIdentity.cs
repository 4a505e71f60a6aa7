using System;
using System.Globalization;
using UnityEngine;

namespace ExperimentServer
{
    /// <summary>
    /// Where the server is and whom the app takes part as, said from outside of the build, so that one build serves
    /// every headset. What is said first in this list counts, for each value by itself: the command line
    /// (`-study-server http://192.168.1.5:5000 -study-participant 7 -study-token ...`), the extras of Android's
    /// intent (`adb shell am start -n PACKAGE/ACTIVITY -e study-server ...`), PlayerPrefs (Save writes them), the
    /// fields of the component.
    /// </summary>
    public static class StudyIdentity
    {
        /// <summary>The names of the values, the same in all places.</summary>
        public const string Server = "study-server";
        public const string Participant = "study-participant";
        public const string Token = "study-token";

        /// <summary>A value that is said from outside; null if it is not.</summary>
        public static string Read(string name)
        {
            var value = FromCommandLine(name, Environment.GetCommandLineArgs()) ?? FromIntent(name);
            if (value == null && PlayerPrefs.HasKey(name))
            {
                value = PlayerPrefs.GetString(name);
            }
            return string.IsNullOrWhiteSpace(value) ? null : value.Trim();
        }

        /// <summary>
        /// A participant's index that is said from outside; null if none is. Raises StudyException
        /// (`participant-invalid`) for what is no number.
        /// </summary>
        public static int? ReadParticipant()
        {
            var text = Read(Participant);
            if (text == null)
            {
                return null;
            }
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            {
                return index;
            }
            throw new StudyException(
                "participant-invalid",
                "participants are numbers, 1 or more, and not \"" + text + "\", which " + Participant
                + " says on the command line, in the intent or in PlayerPrefs");
        }

        /// <summary>Remember on this device who it is, for all starts to come; null or 0 forgets a value.</summary>
        public static void Save(string server, int participant, string token)
        {
            Set(Server, server);
            Set(Participant, participant == 0 ? null : participant.ToString(CultureInfo.InvariantCulture));
            Set(Token, token);
            PlayerPrefs.Save();
        }

        private static void Set(string name, string value)
        {
            if (string.IsNullOrEmpty(value))
            {
                PlayerPrefs.DeleteKey(name);
            }
            else
            {
                PlayerPrefs.SetString(name, value);
            }
        }

        private static string FromCommandLine(string name, string[] arguments)
        {
            var place = Array.IndexOf(arguments, "-" + name);
            return place >= 0 && place + 1 < arguments.Length ? arguments[place + 1] : null;
        }

        private static string FromIntent(string name)
        {
#if UNITY_ANDROID && !UNITY_EDITOR
            using (var player = new AndroidJavaClass("com.unity3d.player.UnityPlayer"))
            using (var activity = player.GetStatic<AndroidJavaObject>("currentActivity"))
            using (var intent = activity.Call<AndroidJavaObject>("getIntent"))
            {
                return intent.Call<string>("getStringExtra", name);
            }
#else
            return null;
#endif
        }
    }
}
