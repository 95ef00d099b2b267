/* The detector's inner loops are compiled several times: plainly, for AVX2 with FMA (VAD_BUILD is
 * `avx2`), and the network, which gains by it, for AVX-512 with VNNI (`vnni`), see CMakeLists.txt;
 * vad.c chooses. Their names then. Only for this folder. */
#ifndef CALLMEND_LEG_VAD_FAST_H
#define CALLMEND_LEG_VAD_FAST_H

#ifdef VAD_BUILD
#define VAD_NAME_(name, build) name##_##build
#define VAD_NAME(name, build) VAD_NAME_(name, build)
#define vad_spectrum VAD_NAME(vad_spectrum, VAD_BUILD)
#define vad_features VAD_NAME(vad_features, VAD_BUILD)
#define vad_network VAD_NAME(vad_network, VAD_BUILD)
#endif

#endif
