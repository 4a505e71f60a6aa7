using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// The values of a record: `new RecordValues { { "rt", 0.43 }, { "hit", true } }`. Values are texts, numbers,
    /// truth values, times, enumerations, JSON, and lists and dictionaries of them; null is a missing value.
    /// </summary>
    /// <remarks>Read by hand, and not by reflection: IL2CPP strips what nobody calls.</remarks>
    public sealed class RecordValues : IEnumerable<KeyValuePair<string, object>>
    {
        /// <summary>The size of a record, in bytes of its JSON, that the server accepts.</summary>
        internal const int MaxBytes = 64 * 1024;

        private static readonly Regex Table = new Regex("^[a-z0-9][a-z0-9_-]{0,63}\\z", RegexOptions.CultureInvariant);
        private static readonly HashSet<string> Reserved =
            new HashSet<string> { "codebook", "events", "participants", "timings" };

        private readonly List<KeyValuePair<string, object>> _values = new List<KeyValuePair<string, object>>();

        /// <summary>Set a value; returns this, so that another can follow.</summary>
        public RecordValues Add(string name, object value)
        {
            _values.Add(new KeyValuePair<string, object>(name, value));
            return this;
        }

        public IEnumerator<KeyValuePair<string, object>> GetEnumerator()
        {
            return _values.GetEnumerator();
        }

        IEnumerator IEnumerable.GetEnumerator()
        {
            return GetEnumerator();
        }

        /// <summary>Raises StudyException (`record-invalid`) for what no table of results can be called.</summary>
        internal static void RequireTable(string name)
        {
            if (name == null || !Table.IsMatch(name))
            {
                throw Invalid(
                    "\"" + name + "\" is no name of a table: it has up to 64 lower-case letters, digits, dashes and "
                    + "underscores, and begins with a letter or a digit");
            }
            if (Reserved.Contains(name))
            {
                throw Invalid("the name \"" + name + "\" is taken by a file of every export; choose another for the table");
            }
        }

        /// <summary>The JSON text of a record's values. Raises StudyException for what cannot be recorded.</summary>
        internal static string Text(IEnumerable<KeyValuePair<string, object>> values)
        {
            if (values == null)
            {
                throw Invalid("a record has to be values with names, and not null");
            }
            var data = Members(values, "");
            using (var text = new StringWriter(CultureInfo.InvariantCulture))
            using (var writer = new JsonTextWriter(text))
            {
                data.WriteTo(writer);
                var written = text.ToString();
                var bytes = Encoding.UTF8.GetByteCount(written);
                if (bytes > MaxBytes)
                {
                    throw new StudyException(
                        "record-too-large",
                        "a record has at most " + MaxBytes + " bytes, and not " + bytes + ". Send what is larger as a file");
                }
                return written;
            }
        }

        internal static IEnumerable<KeyValuePair<string, object>> Of(JObject data)
        {
            if (data == null)
            {
                yield break;
            }
            foreach (var member in data)
            {
                yield return new KeyValuePair<string, object>(member.Key, member.Value);
            }
        }

        private static JObject Members(IEnumerable<KeyValuePair<string, object>> values, string path)
        {
            var data = new JObject();
            foreach (var value in values)
            {
                if (value.Key == null)
                {
                    throw Invalid("a value of the record has no name");
                }
                data[value.Key] = Value(value.Value, path.Length == 0 ? value.Key : path + "." + value.Key);
            }
            return data;
        }

        private static JToken Value(object value, string path)
        {
            if (value is JObject json)
            {
                return Members(Of(json), path);
            }
            if (value is JValue plain && !(value is JRaw) && plain.Type != JTokenType.Comment && plain.Type != JTokenType.Undefined)
            {
                return Plain(plain.Value) ?? throw NotRecordable(plain.Type.ToString(), path);
            }
            var found = value is JToken ? null : Plain(value);
            if (found != null)
            {
                return found;
            }
            if (value is IEnumerable<KeyValuePair<string, object>> members)
            {
                return Members(members, path);
            }
            if (value is IDictionary entries)
            {
                return Members(Entries(entries), path);
            }
            return value is IEnumerable list && !(value is JValue)
                ? List(list, path)
                : throw NotRecordable(value.GetType().Name, path);
        }

        /// <summary>A value that has no others in it; null if it has, or cannot be recorded.</summary>
        private static JValue Plain(object value)
        {
            if (value == null || IsNoNumber(value))
            {
                // JSON has no number for what is none; it is missing, as in JavaScript.
                return JValue.CreateNull();
            }
            if (value is Enum || value is char || value is Guid || value is Uri)
            {
                return new JValue(value.ToString());
            }
            if (value is DateTime moment)
            {
                return new JValue(moment.ToUniversalTime().ToString("o", CultureInfo.InvariantCulture));
            }
            if (value is DateTimeOffset zoned)
            {
                return new JValue(zoned.ToString("o", CultureInfo.InvariantCulture));
            }
            if (value is TimeSpan time)
            {
                return new JValue(time.TotalSeconds);
            }
            return value is string || value is bool || value is decimal || IsNumber(value) ? new JValue(value) : null;
        }

        private static bool IsNoNumber(object value)
        {
            return (value is double number && (double.IsNaN(number) || double.IsInfinity(number)))
                || (value is float single && (float.IsNaN(single) || float.IsInfinity(single)));
        }

        private static bool IsNumber(object value)
        {
            return value is int || value is long || value is short || value is byte || value is uint || value is ushort
                || value is sbyte || value is ulong || value is double || value is float;
        }

        private static JArray List(IEnumerable list, string path)
        {
            var data = new JArray();
            foreach (var value in list)
            {
                data.Add(Value(value, path + "." + data.Count.ToString(CultureInfo.InvariantCulture)));
            }
            return data;
        }

        private static IEnumerable<KeyValuePair<string, object>> Entries(IDictionary members)
        {
            foreach (DictionaryEntry member in members)
            {
                yield return new KeyValuePair<string, object>(
                    Convert.ToString(member.Key, CultureInfo.InvariantCulture), member.Value);
            }
        }

        private static StudyException NotRecordable(string type, string path)
        {
            return Invalid(
                "the value of \"" + path + "\" is of the type " + type
                + ": record texts, numbers, truth values, times, and lists and dictionaries of them");
        }

        private static StudyException Invalid(string message)
        {
            return new StudyException("record-invalid", message);
        }
    }
}
