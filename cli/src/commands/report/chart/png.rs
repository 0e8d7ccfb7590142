//! PNG: pixels of plotters, letters of Noto Sans Mono as they were drawn beforehand, so that no font and no library is looked
//! for at run time.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters::backend::{BitMapBackend, RGBPixel};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

const WEIGHT: FontWeight = FontWeight::Regular;
const HEIGHT: RasterHeight = RasterHeight::Size16;
const WIDTH: usize = get_raster_width(WEIGHT, HEIGHT);

/// Pixels to draw on.
pub(super) struct Canvas<'p>(BitMapBackend<'p, RGBPixel>);

type Failed<'p> = DrawingErrorKind<<BitMapBackend<'p, RGBPixel> as DrawingBackend>::ErrorType>;

impl<'p> Canvas<'p> {
    /// Three bytes a pixel.
    pub(super) fn new(pixels: &'p mut [u8], size: (u32, u32)) -> Self {
        Self(BitMapBackend::with_buffer(pixels, size))
    }
}

/// Whether each character of a text can be drawn.
pub(super) fn has_letters_of(text: &str) -> bool {
    text.chars().all(|c| get_raster(c, WEIGHT, HEIGHT).is_some())
}

/// The bytes of a file.
///
/// # Errors
/// None that is known: there are as many pixels as the size says.
pub(super) fn encoded(pixels: &[u8], size: (u32, u32)) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

fn pixels(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl<'p> DrawingBackend for Canvas<'p> {
    type ErrorType = <BitMapBackend<'p, RGBPixel> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), Failed<'p>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), Failed<'p>> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Result<(), Failed<'p>> {
        self.0.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), Failed<'p>> {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), Failed<'p>> {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Result<(), Failed<'p>> {
        let (width, height) = (pixels(WIDTH * text.chars().count()), pixels(HEIGHT.val()));
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let (all_wide, all_high) = self.get_size();
        for (place, c) in text.chars().enumerate() {
            let Some(drawn) = get_raster(c, WEIGHT, HEIGHT).or_else(|| get_raster('?', WEIGHT, HEIGHT))
            else {
                continue;
            };
            for (y, row) in drawn.rows().enumerate() {
                for (x, strength) in row.iter().enumerate().filter(|(_, strength)| **strength > 0) {
                    let (x, y) =
                        style.transform().transform(left + pixels(place * WIDTH + x), top + pixels(y));
                    let (x, y) = (pos.0 + x, pos.1 + y);
                    let inside = u32::try_from(x).is_ok_and(|x| x < all_wide)
                        && u32::try_from(y).is_ok_and(|y| y < all_high);
                    if inside {
                        let color = BackendColor { alpha: f64::from(*strength) / 255.0, ..style.color() };
                        self.0.draw_pixel((x, y), color)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, _: &S) -> Result<(u32, u32), Failed<'p>> {
        let width = u32::try_from(WIDTH * text.chars().count()).unwrap_or(u32::MAX);
        Ok((width, u32::try_from(HEIGHT.val()).unwrap_or(u32::MAX)))
    }
}
