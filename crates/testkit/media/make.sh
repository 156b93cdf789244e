#!/bin/sh
# Makes the clips of this directory anew; needs ffmpeg and espeak-ng. See README.md.
set -eu
cd "$(dirname "$0")"

speech='Good morning, and welcome to the call. This voice is made by a machine, so that a test has real speech to carry. Every packet is sealed before it leaves.'

wav=$(mktemp)
trap 'rm -f "$wav"' EXIT
espeak-ng -v en-gb -s 155 -a 60 -w "$wav" "$speech"

# Every encoder runs in one thread and with the bitexact flags: the same versions give the same bytes.
quiet='-hide_banner -loglevel error -nostdin -y'
plain='-map_metadata -1 -fflags +bitexact -threads 1'
exact_v='-flags:v +bitexact'
exact_a='-flags:a +bitexact'

# 10 s of speech: 48 kHz, mono, packets of 20 ms, constant bitrate.
ffmpeg $quiet -i "$wav" -af aresample=48000,apad -t 10 -ac 1 $plain $exact_a \
    -c:a libopus -application voip -frame_duration 20 -vbr off -b:a 32k -f ogg speech.opus.ogg

# 10 s of a moving test picture, a key frame every 1.5 s; no frame waits for a later one, as in a call.
ffmpeg $quiet -f lavfi -i testsrc2=size=320x180:rate=30 -t 10 -pix_fmt yuv420p $plain $exact_v \
    -c:v libvpx -deadline realtime -cpu-used 2 -lag-in-frames 0 -auto-alt-ref 0 -error-resilient 1 \
    -b:v 300k -minrate 300k -maxrate 300k -bufsize 300k -g 45 -f ivf video.vp8.ivf

# 2 s each of the other two codecs, a key frame every second.
ffmpeg $quiet -f lavfi -i testsrc2=size=160x90:rate=15 -t 2 -pix_fmt yuv420p $plain $exact_v \
    -c:v libvpx-vp9 -deadline realtime -cpu-used 6 -lag-in-frames 0 -b:v 80k -g 15 -f ivf video.vp9.ivf
ffmpeg $quiet -f lavfi -i testsrc2=size=160x90:rate=15 -t 2 -pix_fmt yuv420p $plain $exact_v \
    -c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -b:v 80k -g 15 -f ivf video.av1.ivf

# 2 s each of the two codecs that come as Annex B streams, a key frame every second: an access unit delimiter before each
# picture, the parameter sets before each key frame, the encoder's SEI, and for H.264 three slices to a picture.
ffmpeg $quiet -f lavfi -i testsrc2=size=160x90:rate=15 -t 2 -pix_fmt yuv420p $plain $exact_v \
    -c:v libx264 -preset fast -tune zerolatency -profile:v high -b:v 80k -g 15 \
    -x264-params aud=1:slices=3:repeat-headers=1:scenecut=0:threads=1:sliced-threads=0 -f h264 video.h264
ffmpeg $quiet -f lavfi -i testsrc2=size=160x90:rate=15 -t 2 -pix_fmt yuv420p $plain $exact_v \
    -c:v libx265 -preset fast -tune zerolatency -b:v 80k -g 15 \
    -x265-params aud=1:repeat-headers=1:info=1:hrd=0:scenecut=0:open-gop=0:pools=none:frame-threads=1:log-level=none \
    -f hevc video.h265

# 2 s in three temporal layers, T0 T2 T1 T2: without T2 half of the pictures are left, without T1 a quarter.
layers='ts_number_layers=3:ts_target_bitrate=40,60,100:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3'
ffmpeg $quiet -f lavfi -i testsrc2=size=160x90:rate=30 -t 2 -pix_fmt yuv420p $plain $exact_v \
    -c:v libvpx -deadline realtime -cpu-used 6 -lag-in-frames 0 -auto-alt-ref 0 -error-resilient 1 \
    -b:v 100k -minrate 100k -maxrate 100k -bufsize 100k -g 32 -ts-parameters "$layers" -f ivf layers.vp8.ivf
