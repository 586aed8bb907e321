# SPDX-License-Identifier: GPL-3.0-or-later
"""The fragment shader of the comparisons. Blender hands textures over scene-linear; the Image Editor shows them in plain sRGB,
whatever the scene's view transform, and so does this. Data is shown as Blender shows it: as if it were light."""

from __future__ import annotations

import gpu

_VERTEX = """
void main()
{
  place = uv;
  gl_Position = ModelViewProjectionMatrix * vec4(pos, 0.0, 1.0);
}
"""

# flags: 1 the result is premultiplied, 2 the other is; 4 the result's alpha counts, 8 the other's; 16 difference; 32 pixels as squares
_FRAGMENT = """
vec3 display(vec3 light)
{
  vec3 low = light * 12.92;
  vec3 high = 1.055 * pow(max(light, vec3(0.0031308)), vec3(1.0 / 2.4)) - 0.055;
  return clamp(mix(high, low, vec3(lessThan(light, vec3(0.0031308)))), 0.0, 1.0);
}

vec3 over_checkers(vec4 color, bool premultiplied, bool has_alpha)
{
  if (!has_alpha) {
    return display(color.rgb);
  }
  vec3 straight = premultiplied && color.a > 0.0 ? color.rgb / color.a : color.rgb;
  vec2 square = floor(gl_FragCoord.xy / checker);
  float ground = mod(square.x + square.y, 2.0) < 0.5 ? 0.20 : 0.15;
  return mix(vec3(ground), display(straight), clamp(color.a, 0.0, 1.0));
}

void main()
{
  if (place.x > split) {
    discard;
  }
  vec2 where = fract(place);
  bool squares = (flags & 32) != 0;
  vec4 other_color = squares ? texelFetch(other, ivec2(where * vec2(textureSize(other, 0))), 0) : texture(other, where);
  vec3 shown = over_checkers(other_color, (flags & 2) != 0, (flags & 8) != 0);
  if ((flags & 16) != 0) {
    vec4 color = squares ? texelFetch(result, ivec2(where * vec2(textureSize(result, 0))), 0) : texture(result, where);
    shown = clamp(gain * abs(over_checkers(color, (flags & 1) != 0, (flags & 4) != 0) - shown), 0.0, 1.0);
  }
  fragColor = vec4(srgbTarget ? pow(shown, vec3(2.2)) : shown, 1.0);  // the editor brings overlays back by 1 / 2.2
}
"""

_shader: gpu.types.GPUShader | None = None


def shader() -> gpu.types.GPUShader:
    """Compiled at the first use; only while drawing."""
    global _shader
    if _shader is None:
        info = gpu.types.GPUShaderCreateInfo()
        for kind, name in (("MAT4", "ModelViewProjectionMatrix"), ("FLOAT", "split"), ("FLOAT", "gain"), ("FLOAT", "checker")):
            info.push_constant(kind, name)
        info.push_constant("INT", "flags")
        info.push_constant("BOOL", "srgbTarget")  # Blender sets it by this name: the framebuffer encodes what is written
        info.sampler(0, "FLOAT_2D", "result")
        info.sampler(1, "FLOAT_2D", "other")
        info.vertex_in(0, "VEC2", "pos")
        info.vertex_in(1, "VEC2", "uv")
        between = gpu.types.GPUStageInterfaceInfo("selfrect_compare")
        between.smooth("VEC2", "place")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "fragColor")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        _shader = gpu.shader.create_from_info(info)
    return _shader


def forget() -> None:
    """Free it."""
    global _shader
    _shader = None
