// Synthesizes mel spectrograms by a .tflite, chunk by chunk: LiteRT's C API.
//
//   speak_lite voice.tflite mel.f32 audio.f32 [noise.f32]
//
// mel.f32 holds float32 (frames, mels), normalised by the model's contract;
// audio.f32 becomes float32 samples in [-1, 1). Without noise.f32, standard
// noise for every sample, it generates its own.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// What is used of LiteRT 2.3. Where its headers are available, include
// litert/c/litert_compiled_model.h, litert_environment.h, litert_model.h,
// litert_options.h and litert_tensor_buffer.h in place of this.
extern "C" {
typedef int LiteRtStatus;
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT* LiteRtTensorBufferRequirements;
// It is only passed on, so its fields are not needed; this is large enough.
struct LiteRtRankedTensorType {
  alignas(8) unsigned char bytes[256];
};
LiteRtStatus LiteRtCreateEnvironment(int, const void*, LiteRtEnvironment*);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char*,
                                       LiteRtModel*);
LiteRtStatus LiteRtGetModelMetadata(LiteRtModel, const char*, const void**,
                                    size_t*);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, size_t, LiteRtSignature*);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature, size_t, const char**);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t,
                                                  LiteRtTensor*);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature, size_t,
                                          const char**);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t,
                                                   LiteRtTensor*);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions*);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel,
                                       LiteRtOptions, LiteRtCompiledModel*);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(
    LiteRtCompiledModel, size_t, size_t, LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(
    LiteRtCompiledModel, size_t, size_t, LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(
    LiteRtEnvironment, const LiteRtRankedTensorType*,
    LiteRtTensorBufferRequirements, LiteRtTensorBuffer*);
LiteRtStatus LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, size_t*);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer, void**, int mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, size_t, size_t,
                                    LiteRtTensorBuffer*, size_t,
                                    LiteRtTensorBuffer*);
}

namespace {

constexpr int kCpu = 1;  // XNNPACK
constexpr int kRead = 0;
constexpr int kWrite = 1;

void check(LiteRtStatus status, const char* what) {
  if (status != 0) {
    throw std::runtime_error(std::string(what) + " fails with status " +
                             std::to_string(status));
  }
}

std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string(path) + " cannot be read");
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// A number of the metadata. An app has a JSON library for this.
int number(const std::string& card, const std::string& name) {
  const std::size_t at = card.find('"' + name + "\": ");
  if (at == std::string::npos) throw std::runtime_error("no " + name);
  return std::atoi(card.c_str() + at + name.size() + 4);
}

// The model in a .tflite, and its state.
class Voice {
 public:
  explicit Voice(const char* path) {
    LiteRtModel model;
    LiteRtOptions options;
    check(LiteRtCreateEnvironment(0, nullptr, &environment_), "environment");
    check(LiteRtCreateModelFromFile(environment_, path, &model), path);
    const void* text;
    std::size_t size;
    check(LiteRtGetModelMetadata(model, "pwavenet_tf", &text, &size), "card");
    card.assign(static_cast<const char*>(text), size);
    check(LiteRtCreateOptions(&options), "options");
    check(LiteRtSetOptionsHardwareAccelerators(options, kCpu), "options");
    check(LiteRtCreateCompiledModel(environment_, model, options, &compiled_),
          "the model");
    LiteRtSignature speak;
    check(LiteRtGetModelSignature(model, 0, &speak), "signature");
    std::size_t count;
    check(LiteRtGetNumSignatureInputs(speak, &count), "inputs");
    for (std::size_t i = 0; i < count; ++i) {
      const char* name;
      LiteRtTensor tensor;
      LiteRtTensorBufferRequirements needs;
      check(LiteRtGetSignatureInputName(speak, i, &name), "input");
      check(LiteRtGetSignatureInputTensorByIndex(speak, i, &tensor), name);
      check(LiteRtGetCompiledModelInputBufferRequirements(compiled_, 0, i,
                                                          &needs), name);
      inputs_.push_back(buffer(tensor, needs));
      input_[name] = i;
      write(name, std::vector<float>(length(inputs_[i])));  // zeros at first
    }
    check(LiteRtGetNumSignatureOutputs(speak, &count), "outputs");
    for (std::size_t i = 0; i < count; ++i) {
      const char* name;
      LiteRtTensor tensor;
      LiteRtTensorBufferRequirements needs;
      check(LiteRtGetSignatureOutputName(speak, i, &name), "output");
      check(LiteRtGetSignatureOutputTensorByIndex(speak, i, &tensor), name);
      check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_, 0, i,
                                                           &needs), name);
      outputs_.push_back(buffer(tensor, needs));
      output_[name] = i;
    }
  }

  std::vector<float> speak(const std::vector<float>& mel,
                           const std::vector<float>& noise) {
    write("mel", mel);
    write("noise", noise);
    check(LiteRtRunCompiledModel(compiled_, 0, inputs_.size(), inputs_.data(),
                                 outputs_.size(), outputs_.data()), "a run");
    for (const char* name : {"state_past", "state_newest"}) {
      write(name, read(name));
    }
    return read("audio");
  }

  std::string card;

 private:
  LiteRtTensorBuffer buffer(LiteRtTensor tensor,
                            LiteRtTensorBufferRequirements needs) {
    LiteRtRankedTensorType type;
    LiteRtTensorBuffer made;
    check(LiteRtGetRankedTensorType(tensor, &type), "type");
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment_, &type,
                                                          needs, &made),
          "buffer");
    return made;
  }

  static std::size_t length(LiteRtTensorBuffer of) {
    std::size_t bytes;
    check(LiteRtGetTensorBufferPackedSize(of, &bytes), "size");
    return bytes / sizeof(float);
  }

  void write(const std::string& name, const std::vector<float>& values) {
    LiteRtTensorBuffer to = inputs_[input_.at(name)];
    if (values.size() != length(to)) throw std::runtime_error(name + ": size");
    void* place;
    check(LiteRtLockTensorBuffer(to, &place, kWrite), "lock");
    std::memcpy(place, values.data(), values.size() * sizeof(float));
    check(LiteRtUnlockTensorBuffer(to), "unlock");
  }

  std::vector<float> read(const std::string& name) {
    LiteRtTensorBuffer from = outputs_[output_.at(name)];
    std::vector<float> values(length(from));
    void* place;
    check(LiteRtLockTensorBuffer(from, &place, kRead), "lock");
    std::memcpy(values.data(), place, values.size() * sizeof(float));
    check(LiteRtUnlockTensorBuffer(from), "unlock");
    return values;
  }

  LiteRtEnvironment environment_;
  LiteRtCompiledModel compiled_;
  std::vector<LiteRtTensorBuffer> inputs_, outputs_;
  std::map<std::string, std::size_t> input_, output_;
};

// Logistic(0, 1), or Normal(0, 1) for a model whose metadata has "gaussian".
float standard_noise(std::mt19937& random, bool gaussian) {
  if (gaussian) return std::normal_distribution<float>()(random);
  // Strictly inside (0, 1), where both logarithms are finite: 23 bits, for
  // with 24 the largest would be rounded to 1.
  const float u = (static_cast<float>(random() >> 9) + 0.5f) / 8388608.0f;
  return std::log(u) - std::log1p(-u);
}

void run(int count, char** arguments) {
  Voice voice(arguments[1]);
  const int hop = number(voice.card, "hop_length");
  const int mels = number(voice.card, "mels");
  const int block = number(voice.card, "block_frames");
  const int context = number(voice.card, "look_ahead_frames");
  const bool gaussian =
      voice.card.find("\"noise\": \"gaussian\"") != std::string::npos;
  const std::vector<float> mel = read_floats(arguments[2]);
  if (mel.empty() || mel.size() % mels != 0) {
    throw std::runtime_error(std::string(arguments[2]) + " holds no frames of " +
                             std::to_string(mels) + " mels");
  }
  std::vector<float> given;
  if (count > 4) given = read_floats(arguments[4]);
  std::ofstream out(arguments[3], std::ios::binary);
  std::mt19937 random(std::random_device{}());
  const int frames = static_cast<int>(mel.size()) / mels;
  std::vector<float> window((block + 2 * context) * mels), noise(block * hop);
  for (int first = 0; first < frames; first += block) {
    for (int i = 0; i < block + 2 * context; ++i) {
      // Beyond the ends the nearest frame is repeated.
      const int from = std::clamp(first - context + i, 0, frames - 1);
      std::copy_n(mel.begin() + from * mels, mels, window.begin() + i * mels);
    }
    for (int i = 0; i < block * hop; ++i) {
      const std::size_t at = static_cast<std::size_t>(first) * hop + i;
      noise[i] = at < given.size() ? given[at]
                                   : standard_noise(random, gaussian);
    }
    const std::vector<float> audio = voice.speak(window, noise);
    const int samples = std::min(block, frames - first) * hop;
    out.write(reinterpret_cast<const char*>(audio.data()),
              samples * sizeof(float));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "speak_lite VOICE.tflite MEL.f32 AUDIO.f32 [NOISE]\n");
    return 2;
  }
  try {
    run(count, arguments);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return 1;
  }
}
