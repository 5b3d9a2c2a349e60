// Reads the bodies that `leeway bench decode --export` wrote with simdjson's On-Demand parser, into
// the same floats, and prints the microseconds of one body of each kind.
//
//     simdjson_decode FOLDER SAMPLES SECONDS
//
// All that helps is given: one parser for all bodies, padded input made beforehand, keys asked for
// in their order, integers read as integers where the kind has nothing else.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <simdjson.h>

using namespace simdjson;
using Clock = std::chrono::steady_clock;

namespace {

float values[784];
ondemand::parser parser;

void fail(const char* kind) {
    std::fprintf(stderr, "%s: not read\n", kind);
    std::exit(1);
}

// Numbers of an array into `values` from `next` on.
template <bool integers>
simdjson_inline bool read_array(ondemand::array array, size_t& next) {
    for (auto element : array) {
        if (next >= 784) return false;
        if constexpr (integers) {
            uint64_t value;
            if (element.get_uint64().get(value)) return false;
            values[next++] = static_cast<float>(value);
        } else {
            double value;
            if (element.get_double().get(value)) return false;
            values[next++] = static_cast<float>(value);
        }
    }
    return true;
}

template <bool integers>
bool read_image(const padded_string& body, bool has_scaled) {
    ondemand::document document;
    if (parser.iterate(body).get(document)) return false;
    bool scaled = false;
    if (has_scaled && document["scaled"].get_bool().get(scaled)) return false;
    ondemand::array image;
    if (document["image"].get_array().get(image)) return false;
    size_t next = 0;
    return read_array<integers>(image, next) && next == 784;
}

bool read_nested(const padded_string& body) {
    ondemand::document document;
    if (parser.iterate(body).get(document)) return false;
    bool scaled = false;
    if (document["scaled"].get_bool().get(scaled)) return false;
    ondemand::array image;
    if (document["image"].get_array().get(image)) return false;
    size_t next = 0;
    for (auto line : image) {
        ondemand::array array;
        if (line.get_array().get(array) || !read_array<false>(array, next)) return false;
    }
    return next == 784;
}

bool read_tensor(const padded_string& body) {
    ondemand::document document;
    if (parser.iterate(body).get(document)) return false;
    ondemand::array inputs;
    if (document["inputs"].get_array().get(inputs)) return false;
    size_t next = 0;
    for (auto input : inputs) {
        ondemand::object object;
        ondemand::array data;
        if (input.get_object().get(object) || object["data"].get_array().get(data)) return false;
        if (!read_array<false>(data, next)) return false;
    }
    return next == 784;
}

// The names of the columns in their order; every fourth is a category, of which only the text is
// taken (Leeway looks up its number, too).
std::vector<std::string> column_names() {
    std::vector<std::string> names;
    for (int index = 0; index < 20; index++) {
        names.push_back((index % 4 == 3 ? "category_" : "number_") + std::to_string(index));
    }
    return names;
}

bool read_table(const padded_string& body) {
    static const std::vector<std::string> names = column_names();
    static size_t characters = 0;
    ondemand::document document;
    if (parser.iterate(body).get(document)) return false;
    ondemand::object row;
    if (document["features"].get_object().get(row)) return false;
    for (size_t index = 0; index < names.size(); index++) {
        if (index % 4 == 3) {
            std::string_view text;
            if (row[names[index]].get_string().get(text)) return false;
            characters += text.size();
        } else {
            double value;
            if (row[names[index]].get_double().get(value)) return false;
            values[index] = static_cast<float>(value);
        }
    }
    return characters > 0;
}

bool read(const std::string& kind, const padded_string& body) {
    if (kind == "integers") return read_image<true>(body, false);
    if (kind == "mixed") return read_image<false>(body, false);
    if (kind == "nested") return read_nested(body);
    if (kind == "tensor") return read_tensor(body);
    if (kind == "table") return read_table(body);
    return read_image<false>(body, true);
}

// Seconds of one body, as the mean of so many rounds through all.
double sample(const std::string& kind, const std::vector<padded_string>& bodies, int rounds) {
    auto start = Clock::now();
    for (int round = 0; round < rounds; round++) {
        for (auto& body : bodies) {
            if (!read(kind, body)) fail(kind.c_str());
        }
    }
    std::chrono::duration<double> time = Clock::now() - start;
    return time.count() / (rounds * bodies.size());
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) return 2;
    std::map<std::string, std::vector<std::string>> files;
    for (auto& entry : std::filesystem::directory_iterator(words[1])) {
        std::string name = entry.path().stem().string();
        // A tensor in binary form is nothing for a reader of JSON.
        if (name.starts_with("binary")) continue;
        files[name.substr(0, name.find('-'))].push_back(entry.path().string());
    }
    int samples = std::atoi(words[2]);
    double seconds = std::atof(words[3]);
    std::printf("{\"version\":\"%s\",\"implementation\":\"%s\"", SIMDJSON_VERSION,
                get_active_implementation()->name().c_str());
    for (auto& [kind, paths] : files) {
        std::vector<padded_string> bodies;
        for (auto& path : paths) {
            padded_string body;
            if (padded_string::load(path).get(body)) fail(path.c_str());
            bodies.push_back(std::move(body));
        }
        sample(kind, bodies, 3);
        double each = sample(kind, bodies, 3);
        int rounds = std::max(1, static_cast<int>(seconds / each / bodies.size()));
        std::printf(",\"%s\":[", kind.c_str());
        for (int index = 0; index < samples; index++) {
            std::printf("%s%.4f", index ? "," : "", sample(kind, bodies, rounds) * 1e6);
        }
        std::printf("]");
    }
    std::printf("}\n");
    return values[0] > 1e30f;
}
