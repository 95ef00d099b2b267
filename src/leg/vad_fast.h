/* The detector's inner loops are compiled twice, plainly and for AVX2 with FMA (VAD_WIDE, see
 * CMakeLists.txt); vad.c chooses. Their names then. Only for this folder. */
#ifndef CALLMEND_LEG_VAD_FAST_H
#define CALLMEND_LEG_VAD_FAST_H

#ifdef VAD_WIDE
#define vad_spectrum vad_spectrum_wide
#define vad_features vad_features_wide
#define vad_network vad_network_wide
#endif

#endif
